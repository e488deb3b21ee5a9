package text

// Style is the look that a whole message has; the zero value is plain.
type Style struct {
	Font                            string // "" where not said
	Bold, Italic, Underline, Strike bool
	Color                           uint32 // 0xRRGGBB
	Colored                         bool   // Color counts
}

// String makes a form of a style for the database.
func (s Style) String() string { return "" }

// ParseStyle reads what String made.
func ParseStyle(string) Style { return Style{} }

// Rich is text and the look that the whole of it has.
type Rich struct {
	Text  string
	Style Style
}

// Act is what a message does to an earlier one; "" for nothing.
type Act string

// What can be done to a message.
const (
	Edited    Act = "edit"
	Reacted   Act = "reaction"
	Unreacted Act = "unreaction"
	Deleted   Act = "deletion"
	Replied   Act = "reply"
)
