package bridge

import (
	"papillon/bridge/text"
	"papillon/msnp/body"
)

// styleOf reads the look of an MSN message, the X-MMS-IM-Format field. Black and the
// client's usual font are nobody's choice, so that they are not passed on.
func styleOf(message body.Message) text.Style {
	value := message.Get("X-MMS-IM-Format")
	if value == "" {
		return text.Style{}
	}
	f := body.ParseFormat(value)
	s := text.Style{Bold: f.Bold, Italic: f.Italic, Underline: f.Underline, Strike: f.Strike}
	if f.Color != 0 {
		s.Color, s.Colored = f.Color, true
	}
	if !usualFonts[f.Font] {
		s.Font = f.Font
	}
	return s
}

// usualFonts are those that old clients write with when nobody chose one.
var usualFonts = map[string]bool{
	"": true, "MS Sans Serif": true, "MS Shell Dlg": true, "Arial": true, "Helvetica": true, "Verdana": true,
	"Tahoma": true, "Segoe UI": true, "Microsoft Sans Serif": true,
}

// formatOf is the way back.
func formatOf(s text.Style) body.Format {
	f := body.DefaultFormat()
	f.Bold, f.Italic, f.Underline, f.Strike = s.Bold, s.Italic, s.Underline, s.Strike
	if s.Colored {
		f.Color = s.Color
	}
	if s.Font != "" {
		f.Font = s.Font
	}
	return f
}
