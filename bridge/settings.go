package bridge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"papillon/bridge/text"
)

// userSetting is something that a user can choose for himself.
type userSetting struct {
	name, help string
	values     []string // the first is the default
}

// userSettings is the table of them.
func userSettings() []userSetting {
	policies := []string{string(text.Short), string(text.Full), string(text.Hidden)}
	return []userSetting{
		{"edits", "messages that are changed afterwards", policies},
		{"reactions", "emoji that people put under a message", policies},
		{"deletions", "messages that are taken back", policies},
		{"replies", "what a reply quotes of the message that it answers", policies},
	}
}

// policySettings are the settings that decide how an act is shown.
var policySettings = map[text.Act]string{
	text.Edited: "edits", text.Reacted: "reactions", text.Unreacted: "reactions",
	text.Deleted: "deletions", text.Replied: "replies",
}

// policyFor returns how much of an act a user wants to see.
func policyFor(settings map[string]string, act text.Act) text.Policy {
	if chosen := settings[policySettings[act]]; chosen != "" {
		return text.Policy(chosen)
	}
	return text.Short
}

// settingsCommand shows what the user has chosen, or changes it.
func settingsCommand(ctx context.Context, u *user, args string) string {
	storage := u.gateway.Storage
	if fields := strings.Fields(strings.ToLower(args)); len(fields) > 0 {
		s, problem := chooseSetting(fields)
		if problem != "" {
			return problem
		}
		value := fields[1]
		if value == s.values[0] {
			value = ""
		}
		if err := storage.SetSetting(ctx, u.handle, s.name, value); err != nil {
			u.log().Error().Err(err).Msg("Cannot store a setting")
			return troubleAnswer
		}
	}
	chosen, err := storage.Settings(ctx, u.handle)
	if err != nil {
		u.log().Error().Err(err).Msg("Cannot read the settings")
		return troubleAnswer
	}
	var b strings.Builder
	b.WriteString("Your settings:")
	for _, s := range userSettings() {
		value := chosen[s.name]
		if value == "" {
			value = s.values[0]
		}
		fmt.Fprintf(&b, "\n%s: %s (%s; may be %s)", s.name, value, s.help, strings.Join(s.values, ", "))
	}
	b.WriteString("\nTo change one: settings edits full")
	return b.String()
}

// troubleAnswer is what users are told of trouble that is not theirs.
const troubleAnswer = "That did not work. The administrator finds the reason in the log."

// chooseSetting checks what a user chose; problem is the answer if it is wrong.
func chooseSetting(fields []string) (s userSetting, problem string) {
	all := userSettings()
	i := slices.IndexFunc(all, func(s userSetting) bool { return s.name == fields[0] })
	if i < 0 {
		return s, fmt.Sprintf("There is no setting %q. Say settings to see them.", fields[0])
	}
	if s = all[i]; len(fields) != 2 || !slices.Contains(s.values, fields[1]) {
		return s, fmt.Sprintf("%s may be %s. For example: settings %s %s", s.name, strings.Join(s.values, ", "), s.name, s.values[1])
	}
	return s, ""
}
