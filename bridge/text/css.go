package text

import (
	"strconv"
	"strings"
)

// maxCSS is how much of a style attribute is read, in bytes. Clients send a
// hundred.
const maxCSS = 4096

// applyCSS changes a style by the declarations of a style attribute; hidden says
// that they hide the element.
func applyCSS(style Style, css string) (_ Style, hidden bool) {
	if len(css) > maxCSS {
		return style, false
	}
	for declaration := range strings.SplitSeq(css, ";") {
		name, value, _ := strings.Cut(declaration, ":")
		value, _, _ = strings.Cut(value, "!") // !important
		value = strings.TrimSpace(value)
		low := strings.ToLower(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "font-weight":
			style.Bold = isBoldWeight(low, style.Bold)
		case "font-style":
			style.Italic = strings.HasPrefix(low, "italic") || strings.HasPrefix(low, "oblique") || low == "inherit" && style.Italic
		case "text-decoration", "text-decoration-line":
			style.Underline = style.Underline || strings.Contains(low, "underline")
			style.Strike = style.Strike || strings.Contains(low, "line-through")
		case "color":
			if rgb, ok := parseColor(value); ok {
				style.Color, style.Colored = rgb, true
			}
		case "font-family":
			style.Font = firstFont(value, style.Font)
		case "display":
			hidden = low == "none"
		case "visibility":
			hidden = hidden || low == "hidden"
		}
	}
	return style, hidden
}

// isBoldWeight says whether text of a weight is bold, inside text that is or is
// not.
func isBoldWeight(weight string, inside bool) bool {
	switch weight {
	case "bold", "bolder":
		return true
	case "normal", "lighter", "initial":
		return false
	}
	if n, err := strconv.Atoi(weight); err == nil {
		return n >= 600
	}
	return inside
}

// firstFont takes the first name off a list of font families; inside if that is
// no name but a word for any font of a kind.
func firstFont(families, inside string) string {
	name, _, _ := strings.Cut(families, ",")
	name = strings.TrimSpace(name)
	if name == "" {
		return inside
	}
	if name[0] != '\'' && name[0] != '"' {
		switch strings.ToLower(name) {
		case "serif", "sans-serif", "monospace", "cursive", "fantasy", "system-ui", "inherit", "initial", "unset":
			return inside
		}
	}
	if name = cleanFont(name); name == "" {
		return inside
	}
	return name
}
