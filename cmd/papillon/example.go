package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
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
		text, err := yamlScalar(value.Interface())
		if err != nil {
			return fmt.Errorf("write %s: %w", field.Name, err)
		}
		b.WriteString(" " + text + "\n")
	}
	return nil
}

// yamlScalar writes a value on one line.
func yamlScalar(v any) (string, error) {
	if list, ok := v.([]string); ok && len(list) == 0 {
		return "[]", nil
	}
	if s, ok := v.(Secret); ok {
		v = string(s)
	}
	raw, err := yaml.MarshalWithOptions(v, yaml.Flow(true))
	return strings.TrimSpace(string(raw)), err
}
