package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The YAML library and those for the environment stop at the first mistake, or
// name the fields of a struct instead of what somebody has written. Whoever
// starts a server at midnight wants all mistakes at once. So a setting is
// looked up by its key here, and set from text wherever that comes from.

// envPrefix begins the names of all settings in the environment.
const envPrefix = "PAPILLON_"

// setting is one value of a [Config].
type setting struct {
	key   string // as in the file, with its sections: msn.listen
	value reflect.Value
}

// env is the setting's name in the environment: PAPILLON_MSN_LISTEN.
func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// settings lists all settings in their order.
func (c *Config) settings() []setting { return collect(reflect.ValueOf(c).Elem(), "") }

func collect(section reflect.Value, prefix string) (all []setting) {
	for i := range section.NumField() {
		key := prefix + section.Type().Field(i).Tag.Get("yaml")
		if value := section.Field(i); value.Kind() == reflect.Struct {
			all = append(all, collect(value, key+".")...)
		} else {
			all = append(all, setting{key, value})
		}
	}
	return all
}

// set takes a value as somebody wrote it; a list is separated by commas.
func (s setting) set(text string) error {
	switch v := s.value.Addr().Interface().(type) {
	case *string:
		*v = text
	case *Secret:
		*v = Secret(text)
	case *Duration:
		return v.UnmarshalText([]byte(text))
	case *int:
		// 32 bits: some are multiplied, or one more is read than is allowed.
		n, err := strconv.ParseInt(text, 10, 32)
		if errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("%s is out of range: write a number up to %d", text, math.MaxInt32)
		}
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*v = int(n)
	case *bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*v = text == "true"
	case *[]string:
		*v = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	default:
		return fmt.Errorf("a setting of type %T cannot be set", v)
	}
	return nil
}

// parse reads a configuration file and returns all that is wrong with it, by
// line. What it does not set keeps its value.
func (c *Config) parse(raw []byte) []error {
	// Some editors put a byte order mark there, which YAML allows (§5.2) and the parser
	// takes for a part of the first key.
	file, err := parser.ParseBytes(bytes.TrimPrefix(raw, []byte("\ufeff")), 0)
	if err != nil {
		return []error{syntaxProblem(err)}
	}
	r := fileReader{settings: c.settings()}
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			r.complain(doc.Body, "a second document begins here: there must be one only")
			break
		}
		r.section(doc.Body, "")
	}
	return r.problems
}

// syntaxProblem makes one line of what the parser says.
func syntaxProblem(err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return fmt.Errorf("line %d: %s", e.GetToken().Position.Line, e.GetMessage())
	}
	return err
}

// fileReader fills settings from a file and collects what is wrong.
type fileReader struct {
	settings []setting
	problems []error
}

func (r *fileReader) complain(at ast.Node, format string, args ...any) {
	line := at.GetToken().Position.Line
	r.problems = append(r.problems, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
}

// section reads what stands below a key; prefix is the key with its dot, empty
// for the whole file.
func (r *fileReader) section(node ast.Node, prefix string) {
	switch node := node.(type) {
	case nil, *ast.NullNode: // a file or section with nothing in it
	case ast.MapNode:
		for entries := node.MapRange(); entries.Next(); {
			r.entry(prefix, entries.KeyValue())
		}
	default:
		where := "the file"
		if prefix != "" {
			where = strings.TrimSuffix(prefix, ".")
		}
		r.complain(node, "%s: settings must follow, each on a line of its own as \"name: value\"", where)
	}
}

// entry reads one key and what stands behind it.
func (r *fileReader) entry(prefix string, entry *ast.MappingValueNode) {
	key := prefix + entry.Key.GetToken().Value
	if i := slices.IndexFunc(r.settings, func(s setting) bool { return s.key == key }); i >= 0 {
		if err := r.settings[i].setNode(entry.Value); err != nil {
			r.complain(entry.Key, "%s: %v", key, err)
		}
		return
	}
	if slices.ContainsFunc(r.settings, func(s setting) bool { return strings.HasPrefix(s.key, key+".") }) {
		r.section(entry.Value, key+".")
		return
	}
	r.complain(entry.Key, "%s: there is no such setting; \"papillon example-config\" lists them all", key)
}

// setNode takes a value from the file. None at all leaves the default.
func (s setting) setNode(node ast.Node) error {
	list, isList := s.value.Addr().Interface().(*[]string)
	if node, ok := node.(*ast.SequenceNode); ok && isList {
		*list = nil
		for _, value := range node.Values {
			text, ok := scalar(value)
			if !ok {
				return errors.New("every item of the list must be a single value")
			}
			*list = append(*list, text)
		}
		return nil
	}
	if _, ok := node.(*ast.NullNode); ok || node == nil {
		return nil
	}
	text, ok := scalar(node)
	if !ok {
		return errors.New("a single value must follow")
	}
	return s.set(text)
}

// scalar returns the text of a single value; ok is false for anything else.
func scalar(node ast.Node) (text string, ok bool) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return node.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// fromEnvironment takes PAPILLON_MSN_LISTEN and the like; PAPILLON_MSN_LISTEN_FILE
// names a file that has the value in it. An empty variable counts as not set. It
// returns all that is wrong.
func (c *Config) fromEnvironment(environ []string) (problems []error) {
	known := make(map[string]setting)
	sections := make(map[string]bool)
	for _, s := range c.settings() {
		known[s.env()] = s
		section, _, _ := strings.Cut(s.key, ".")
		sections[strings.ToUpper(section)] = true
	}
	taken := make(map[string]string) // by setting, the variable that set it
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(variable, "=")
		rest, ours := strings.CutPrefix(name, envPrefix)
		section, _, _ := strings.Cut(rest, "_")
		if !ours || text == "" || !sections[section] {
			continue // others may have variables that begin like ours
		}
		if err := setVariable(known, taken, name, text); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	return problems
}

// setVariable takes one variable.
func setVariable(known map[string]setting, taken map[string]string, name, text string) error {
	target := name
	if _, ok := known[name]; !ok {
		target = strings.TrimSuffix(name, "_FILE")
	}
	s, ok := known[target]
	if !ok {
		return errors.New("there is no such setting; \"papillon example-config\" lists them all")
	}
	if other := taken[target]; other != "" {
		return fmt.Errorf("%s is set as well: remove one of them", other)
	}
	taken[target] = name
	if target != name {
		raw, err := os.ReadFile(text)
		if err != nil {
			return err
		}
		text = strings.TrimRight(string(raw), "\r\n")
	}
	return s.set(text)
}
