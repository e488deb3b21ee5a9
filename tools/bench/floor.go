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
	group int // users of a group have each other as contacts
	addr  string

	mu       sync.Mutex
	users    map[string]*floorUser
	sessions map[string]*floorSession // by the cookie that leads there
	next     int
}

// floorUser is somebody who is signed in.
type floorUser struct {
	name string
	conn net.Conn
	mu   sync.Mutex // one write at a time

	status string // guarded by floor.mu
}

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
	group, err := strconv.Atoi(os.Getenv("FLOOR_GROUP"))
	if err != nil {
		return fmt.Errorf("FLOOR_GROUP: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f := &floor{group: group, addr: ln.Addr().String(), users: make(map[string]*floorUser), sessions: make(map[string]*floorSession)}
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
	c := &floorConn{floor: f, user: &floorUser{conn: conn, status: "FLN"}, in: bufio.NewReaderSize(conn, 512)}
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
	switch {
	case w[2] != "MD5":
		c.user.name = w[2]
		c.join(w[3])
		c.user.write("USR %s OK %s %s\r\n", w[1], w[2], w[2])
	case w[3] == "I":
		c.user.name = w[4]
		c.user.write("USR %s MD5 S 1013928519.693957190\r\n", w[1])
	default:
		c.floor.mu.Lock()
		c.floor.users[c.user.name] = c.user
		c.floor.mu.Unlock()
		c.user.write("USR %s OK %s %s\r\n", w[1], c.user.name, c.user.name)
	}
}

// contacts are the others of the user's group.
func (c *floorConn) contacts() (all []string) {
	var me int
	if _, err := fmt.Sscanf(c.user.name, "user%05d@", &me); err != nil {
		return nil
	}
	first := me - me%c.floor.group
	for i := first; i < first+c.floor.group; i++ {
		if i != me {
			all = append(all, handle(i))
		}
	}
	return all
}

func (c *floorConn) syn(w []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "SYN %s 1\r\nGTC %s 1 A\r\nBLP %s 1 AL\r\n", w[1], w[1], w[1])
	contacts := c.contacts()
	for _, list := range [...]string{"FL", "AL", "BL", "RL"} {
		if list == "BL" || len(contacts) == 0 {
			fmt.Fprintf(&b, "LST %s %s 1 0 0\r\n", w[1], list)
			continue
		}
		for i, h := range contacts {
			fmt.Fprintf(&b, "LST %s %s 1 %d %d %s %s\r\n", w[1], list, i+1, len(contacts), h, h)
		}
	}
	c.user.write("%s", b.String())
}

func (c *floorConn) chg(w []string) {
	var online []*floorUser
	f := c.floor
	f.mu.Lock()
	first := c.user.status == "FLN"
	c.user.status = w[2]
	for _, h := range c.contacts() {
		if u := f.users[h]; u != nil && u.status != "FLN" {
			online = append(online, u)
		}
	}
	f.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "CHG %s %s\r\n", w[1], w[2])
	if first {
		for _, u := range online {
			fmt.Fprintf(&b, "ILN %s NLN %s %s\r\n", w[1], u.name, u.name)
		}
	}
	c.user.write("%s", b.String())
	for _, u := range online {
		u.write("NLN %s %s %s\r\n", w[2], c.user.name, c.user.name)
	}
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
		called.write("RNG 1 %s CKI %s %s %s\r\n", c.floor.addr, c.floor.newSession(c.session), c.user.name, c.user.name)
	}
}

func (c *floorConn) ans(w []string) {
	c.user.name = w[2]
	others := c.join(w[3])
	for i, u := range others {
		c.user.write("IRO %s %d %d %s %s\r\n", w[1], i+1, len(others), u.name, u.name)
	}
	c.user.write("ANS %s OK\r\n", w[1])
	for _, u := range others {
		u.write("JOI %s %s\r\n", c.user.name, c.user.name)
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
			u.write("MSG %s %s %d\r\n%s", c.user.name, c.user.name, n, body)
		}
	}
}

// leave forgets the user of a notification connection.
func (c *floorConn) leave() {
	c.floor.mu.Lock()
	defer c.floor.mu.Unlock()
	if c.floor.users[c.user.name] == c.user {
		delete(c.floor.users, c.user.name)
	}
}
