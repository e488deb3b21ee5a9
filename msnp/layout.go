package msnp

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"papillon/msnp/body"
	"papillon/msnp/wire"
)

// This file writes the lines in which the dialects differ. What is the same in
// all of them stands in the handlers.

// appendReply appends the line that answers a command.
func appendReply(dst []byte, name, trID string, words ...string) []byte {
	all := make([]string, 0, 12)
	all = append(all, name, trID)
	return wire.AppendLine(dst, append(all, words...)...)
}

// number writes a serial, group or the like.
func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// appendSignedIn appends the answer to a successful USR S; draft-movva-00 §7.3.
func (d *dialect) appendSignedIn(dst []byte, trID string, who Member) []byte {
	words := []string{"OK", string(who.Handle), d.encode(who.Name)}
	if d.verified {
		words = append(words, "1")
	}
	return appendReply(dst, "USR", trID, words...)
}

// appendReferral appends XFR NS; draft-movva-00 §7.4. Here is the address of the
// server that refers. The capital letters SB must not stand in the line: gaim of
// 2001 looks for them anywhere.
func (d *dialect) appendReferral(dst []byte, trID, there, here string) []byte {
	words := []string{"NS", there, "0", here}
	return appendReply(dst, "XFR", trID, words[:2+d.referral]...)
}

// profile makes the message that follows a sign-in. What the account has no
// answer to is left empty, but for figures, which clients read as such.
func (d *dialect) profileMessage(who Member, now time.Time) []byte {
	fields := []body.Field{
		{Name: "LoginTime", Value: strconv.FormatInt(now.Unix(), 10)},
		{Name: "EmailEnabled", Value: "0"}, // else the client asks for the inbox of a mail service
	}
	if !d.profile {
		return body.NewProfile(fields).Append(nil)
	}
	id := fnv.New64a()
	id.Write([]byte(who.Handle)) // never fails
	member := id.Sum64()
	fields = append(fields, []body.Field{
		{Name: "MemberIdHigh", Value: number(uint32(member >> 32))},
		{Name: "MemberIdLow", Value: number(uint32(member))},
		{Name: "lang_preference", Value: "1033"},
		{Name: "preferredEmail", Value: string(who.Handle)},
		{Name: "country"}, {Name: "PostalCode"}, {Name: "Gender"},
		{Name: "Kid", Value: "0"},
		{Name: "Age"}, {Name: "BDayPre"}, {Name: "Birthday"},
		{Name: "Wallet", Value: "0"},
		{Name: "Flags", Value: "1073742915"}, // an ordinary, confirmed account
		{Name: "sid", Value: "507"},
		{Name: "kv", Value: "11"},
		{Name: "MSPAuth", Value: "0"}, // there is no Passport to log in to
	}...)
	return body.NewProfile(fields).Append(nil)
}

// properties returns what follows SYN, in parts; draft-movva-00 §7.5. The order is the
// draft's; gaim and aMSN depend on it, and on empty lists being marked.
func (d *dialect) properties(trID string, p Properties) []func([]byte) []byte {
	serial := number(p.Serial)
	return []func([]byte) []byte{
		func(b []byte) []byte { return appendReply(b, "GTC", trID, serial, string(p.Prompt)) },
		func(b []byte) []byte { return appendReply(b, "BLP", trID, serial, string(p.Privacy)) },
		func(b []byte) []byte { return d.appendSettings(b, trID, p) },
		func(b []byte) []byte {
			for list := range Reverse {
				b = d.appendList(b, trID, list, p, d.phones && list == Forward)
			}
			return b
		},
		func(b []byte) []byte { return d.appendList(b, trID, Reverse, p, false) },
	}
}

// appendSettings appends what later dialects have between BLP and the lists: telephone
// numbers and groups.
func (d *dialect) appendSettings(dst []byte, trID string, p Properties) []byte {
	if d.phones {
		for _, key := range ownPhones {
			dst = wire.AppendLine(dst, phoneWords(p.Phones, key, "PRP", trID, number(p.Serial))...)
		}
	}
	if d.groups {
		dst = d.appendGroups(dst, trID, p)
	}
	return dst
}

// appendList appends the LST lines of one list, with the contacts' numbers between
// them if wanted.
func (d *dialect) appendList(dst []byte, trID string, list List, p Properties, phones bool) []byte {
	serial, entries := number(p.Serial), p.Lists[list]
	if len(entries) == 0 {
		return appendReply(dst, "LST", trID, list.String(), serial, "0", "0")
	}
	total := strconv.Itoa(len(entries))
	for i, e := range entries {
		words := []string{"LST", trID, list.String(), serial, strconv.Itoa(i + 1), total, string(e.Handle), d.encode(e.Name), ""}
		if d.groups && list == Forward {
			words[8] = groupWord(p.Groups.Of[e.Handle])
		} else {
			words = words[:8]
		}
		dst = wire.AppendLine(dst, words...)
		if phones {
			for _, key := range contactPhones {
				dst = wire.AppendLine(dst, phoneWords(p.ContactPhones[e.Handle], key, "BPR", serial, string(e.Handle))...)
			}
		}
	}
	return dst
}

// appendGroups appends the LSG lines.
func (d *dialect) appendGroups(dst []byte, trID string, p Properties) []byte {
	total := strconv.Itoa(len(p.Groups.All))
	for i, g := range p.Groups.All {
		dst = appendReply(dst, "LSG", trID, number(p.Serial), strconv.Itoa(i+1), total, number(g.ID), d.encodeGroup(g.Name), "0")
	}
	return dst
}

// encodeGroup makes a word of a group's name.
func (d *dialect) encodeGroup(name string) string {
	return wire.EncodeName(name, d.names, MaxGroupName)
}

// groupWord joins the groups of a contact as LST has them.
func groupWord(ids []uint32) string {
	if len(ids) == 0 {
		return "0"
	}
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = number(id)
	}
	return strings.Join(words, ",")
}

// appendChange appends ADD or REM; draft-movva-00 §7.8. Grouped says that the
// change is one of a group.
func (d *dialect) appendChange(dst []byte, name, trID string, change ListChange, grouped bool) []byte {
	words := append(make([]string, 0, 7), name, trID, change.List.String(), number(change.Serial), string(change.Contact.Handle))
	if name == "ADD" {
		words = append(words, d.encode(change.Contact.Name))
	}
	if d.groups && change.List == Forward && (name == "ADD" || grouped) {
		words = append(words, number(change.Group))
	}
	return wire.AppendLine(dst, words...)
}
