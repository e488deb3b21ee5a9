package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// exampleConfigCmd prints the example configuration.
type exampleConfigCmd struct{}

// Run implements the command.
func (exampleConfigCmd) Run(io *streams) error { return writeConfig(io.out, defaultConfig()) }

// exampleHead begins every configuration that is written.
const exampleHead = `# Configuration of Papillon. Every setting can also come from the environment:
# msn.listen as PAPILLON_MSN_LISTEN, or as PAPILLON_MSN_LISTEN_FILE naming a file
# that has the value in it. What is left out has the value shown by
# "papillon example-config".
`

// writeConfig writes a configuration with the comments of its own tags.
func writeConfig(w io.Writer, c *Config) error {
	var b strings.Builder
	b.WriteString(exampleHead)
	if err := writeSection(&b, reflect.ValueOf(c).Elem(), ""); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeSection writes the fields of a struct.
func writeSection(b *strings.Builder, section reflect.Value, indent string) error {
	for i := range section.NumField() {
		field, value := section.Type().Field(i), section.Field(i)
		if indent == "" {
			b.WriteString("\n")
		}
		if doc := field.Tag.Get("doc"); doc != "" {
			b.WriteString(indent + "# " + strings.ReplaceAll(doc, "\n", "\n"+indent+"# ") + "\n")
		}
		b.WriteString(indent + field.Tag.Get("yaml") + ":")
		if value.Kind() == reflect.Struct {
			b.WriteString("\n")
			if err := writeSection(b, value, indent+"  "); err != nil {
				return err
			}
			continue
		}
		text, err := yamlValue(value.Interface())
		if err != nil {
			return fmt.Errorf("write %s: %w", field.Name, err)
		}
		b.WriteString(" " + text + "\n")
	}
	return nil
}

// yamlValue writes a value on one line.
func yamlValue(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return yamlString(v)
	case Secret:
		return yamlString(string(v))
	case int, bool, Duration:
		return fmt.Sprint(v), nil
	case []string:
		items := make([]string, len(v))
		for i, item := range v {
			var err error
			if items[i], err = yamlString(item); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	}
	return "", fmt.Errorf("a setting of type %T cannot be written", v)
}

// plainString is what needs no quotes, unless it means something in YAML.
var plainString = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._/-]*$`)

// yamlString writes a string, in quotes if need be. What JSON writes, YAML reads.
func yamlString(s string) (string, error) {
	if plainString.MatchString(s) && !slices.Contains([]string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		return s, nil
	}
	raw, err := json.Marshal(s)
	return string(raw), err
}
