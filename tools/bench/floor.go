package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

// The floor is the least that an MSN server can do: it accepts any sign-in and
// moves the bytes. There is no store, no check and no limit in it, one reader a
// connection, and one write an event.

// floor is the server.
type floor struct {
	people   population
	everyone []*floorContact // by number
	addr     string

	mu       sync.Mutex
	users    map[string]*floorUser
	sessions map[string]*floorSession // by the cookie that leads there
	next     int
}

// floorUser is somebody who is signed in.
type floorUser struct {
	handle, name string
	contacts     []*floorContact
	conn         net.Conn
	mu           sync.Mutex // one write at a time

	online bool // guarded by floor.mu
}

// floorContact is somebody on a list.
type floorContact struct{ handle, name string }

// floorSession is a switchboard session.
type floorSession struct {
	mu      sync.Mutex
	members []*floorUser
}

// floorConn is what is known of a connection.
type floorConn struct {
	floor   *floor
	user    *floorUser
	session *floorSession // of a switchboard
	in      *bufio.Reader
}

// runFloor serves until it is killed.
func runFloor() error {
	var people population
	if _, err := fmt.Sscan(os.Getenv("FLOOR_PEOPLE"), &people.users, &people.group, &people.star); err != nil {
		return fmt.Errorf("FLOOR_PEOPLE: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	everyone := make([]*floorContact, people.users)
	for i := range everyone {
		everyone[i] = &floorContact{handle(i), "User%20" + strconv.Itoa(i)}
	}
	f := &floor{people: people, everyone: everyone, addr: ln.Addr().String(), users: make(map[string]*floorUser), sessions: make(map[string]*floorSession)}
	fmt.Println(f.addr)
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go f.serve(conn)
	}
}

// serve reads one connection.
func (f *floor) serve(conn net.Conn) {
	c := &floorConn{floor: f, user: &floorUser{conn: conn}, in: bufio.NewReaderSize(conn, 512)}
	defer conn.Close()
	defer c.leave()
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return
		}
		words := strings.Fields(string(line))
		if len(words) < 2 {
			return
		}
		if handler := floorCommands[words[0]]; handler != nil {
			handler(c, words)
		}
	}
}

// write writes one event.
func (u *floorUser) write(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprintf(u.conn, format, args...) // a dead connection shows when it is read
}

// floorCommands is what the load generator's client says.
var floorCommands = map[string]func(c *floorConn, words []string){
	"VER": func(c *floorConn, w []string) { c.user.write("VER %s %s\r\n", w[1], strings.Join(w[2:], " ")) },
	"INF": func(c *floorConn, w []string) { c.user.write("INF %s MD5\r\n", w[1]) },
	"USR": (*floorConn).usr,
	"SYN": (*floorConn).syn,
	"CHG": (*floorConn).chg,
	"XFR": (*floorConn).xfr,
	"CAL": (*floorConn).cal,
	"ANS": (*floorConn).ans,
	"MSG": (*floorConn).msg,
}

func (c *floorConn) usr(w []string) {
	u := c.user
	switch {
	case w[2] != "MD5":
		c.identify(w[2])
		c.join(w[3])
		u.write("USR %s OK %s %s\r\n", w[1], u.handle, u.name)
	case w[3] == "I":
		c.identify(w[4])
		u.write("USR %s MD5 S 1013928519.69395719012345678901\r\n", w[1])
	default:
		u.contacts = c.contacts()
		c.floor.mu.Lock()
		c.floor.users[u.handle] = u
		c.floor.mu.Unlock()
		u.write("USR %s OK %s %s\r\n", w[1], u.handle, u.name)
		u.write("MSG Hotmail Hotmail %d\r\n%s", len(floorProfile), floorProfile)
	}
}

// floorProfile is the message after a sign-in.
const floorProfile = "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsprofile; charset=UTF-8\r\n" +
	"LoginTime: 1013928519\r\nEmailEnabled: 0\r\n\r\n"

// identify says whose connection this is: that of one of the people.
func (c *floorConn) identify(handle string) {
	if n := c.floor.numberOf(handle); n >= 0 {
		c.user.handle, c.user.name = c.floor.everyone[n].handle, c.floor.everyone[n].name
	}
}

// numberOf is the number in a handle; -1 if nobody has it.
func (f *floor) numberOf(handle string) int {
	n := -1
	if _, err := fmt.Sscanf(handle, "user%05d@", &n); err != nil || n >= len(f.everyone) {
		return -1
	}
	return n
}

// contacts are those on the user's lists.
func (c *floorConn) contacts() (all []*floorContact) {
	if me := c.floor.numberOf(c.user.handle); me >= 0 {
		for _, i := range c.floor.people.contacts(me) {
			all = append(all, c.floor.everyone[i])
		}
	}
	return all
}

func (c *floorConn) syn(w []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "SYN %s 21\r\nGTC %s 21 A\r\nBLP %s 21 AL\r\n", w[1], w[1], w[1])
	contacts := c.user.contacts
	for _, list := range [...]string{"FL", "AL", "BL", "RL"} {
		if list == "BL" || len(contacts) == 0 {
			fmt.Fprintf(&b, "LST %s %s 21 0 0\r\n", w[1], list)
			continue
		}
		for i, other := range contacts {
			fmt.Fprintf(&b, "LST %s %s 21 %d %d %s %s\r\n", w[1], list, i+1, len(contacts), other.handle, other.name)
		}
	}
	c.user.write("%s", b.String())
}

func (c *floorConn) chg(w []string) {
	was, online := c.goOnline(true)
	var b strings.Builder
	fmt.Fprintf(&b, "CHG %s %s\r\n", w[1], w[2])
	if !was {
		for _, u := range online {
			fmt.Fprintf(&b, "ILN %s NLN %s %s\r\n", w[1], u.handle, u.name)
		}
	}
	c.user.write("%s", b.String())
	for _, u := range online {
		u.write("NLN %s %s %s\r\n", w[2], c.user.handle, c.user.name)
	}
}

// goOnline notes whether the user is there, and returns whether he was and which
// of his contacts are.
func (c *floorConn) goOnline(online bool) (was bool, others []*floorUser) {
	f := c.floor
	f.mu.Lock()
	defer f.mu.Unlock()
	was, c.user.online = c.user.online, online
	for _, other := range c.user.contacts {
		if u := f.users[other.handle]; u != nil && u.online {
			others = append(others, u)
		}
	}
	return was, others
}

// newSession makes a session and the cookie that leads there.
func (f *floor) newSession(s *floorSession) (cookie string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	cookie = strconv.Itoa(f.next)
	if s == nil {
		s = &floorSession{}
	}
	f.sessions[cookie] = s
	return cookie
}

func (c *floorConn) xfr(w []string) {
	c.user.write("XFR %s SB %s CKI %s\r\n", w[1], c.floor.addr, c.floor.newSession(nil))
}

// join goes where a cookie leads.
func (c *floorConn) join(cookie string) (others []*floorUser) {
	c.floor.mu.Lock()
	c.session = c.floor.sessions[cookie]
	delete(c.floor.sessions, cookie)
	c.floor.mu.Unlock()
	if c.session == nil {
		c.session = &floorSession{}
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	others = c.session.members
	c.session.members = append(others[:len(others):len(others)], c.user)
	return others
}

func (c *floorConn) cal(w []string) {
	c.user.write("CAL %s RINGING 1\r\n", w[1])
	c.floor.mu.Lock()
	called := c.floor.users[w[2]]
	c.floor.mu.Unlock()
	if called != nil {
		called.write("RNG 1 %s CKI %s %s %s\r\n", c.floor.addr, c.floor.newSession(c.session), c.user.handle, c.user.name)
	}
}

func (c *floorConn) ans(w []string) {
	c.identify(w[2])
	others := c.join(w[3])
	for i, u := range others {
		c.user.write("IRO %s %d %d %s %s\r\n", w[1], i+1, len(others), u.handle, u.name)
	}
	c.user.write("ANS %s OK\r\n", w[1])
	for _, u := range others {
		u.write("JOI %s %s\r\n", c.user.handle, c.user.name)
	}
}

func (c *floorConn) msg(w []string) {
	n, err := strconv.Atoi(w[len(w)-1])
	if err != nil {
		return
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.in, body); err != nil || c.session == nil {
		return
	}
	c.session.mu.Lock()
	members := c.session.members
	c.session.mu.Unlock()
	for _, u := range members {
		if u != c.user {
			u.write("MSG %s %s %d\r\n%s", c.user.handle, c.user.name, n, body)
		}
	}
}

// leave forgets the user of a notification connection and tells those who see
// him.
func (c *floorConn) leave() {
	f := c.floor
	f.mu.Lock()
	known := f.users[c.user.handle] == c.user
	if known {
		delete(f.users, c.user.handle)
	}
	f.mu.Unlock()
	if !known {
		return
	}
	if was, others := c.goOnline(false); was {
		for _, u := range others {
			u.write("FLN %s\r\n", c.user.handle)
		}
	}
}
