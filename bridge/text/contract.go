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

// Policy is how much of a modern event is shown.
type Policy string

// The policies.
const (
	Short  Policy = "short"
	Full   Policy = "full"
	Hidden Policy = "hidden"
)

// Happening is something done to an earlier message.
type Happening struct {
	Act         Act
	Who, Whose  string
	WhoseSelf   bool
	Target, New string
}

// Line words it.
func Line(h Happening, p Policy) (line string, shown bool) { return h.New, p != Hidden }
