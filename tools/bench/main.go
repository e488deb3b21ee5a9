// Command bench measures a running `papillon serve` from outside, over loopback,
// with the project's own client, and prints a table. Beside each figure of the MSN
// server stands that of the floor (floor.go), measured in the same run: a
// server that only moves the same bytes. Rates depend on what the load generator leaves of
// the machine; the processor time of one operation, as a ratio to the floor, is the
// figure that counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// options are the sizes of what is measured.
type options struct {
	papillon string
	only     string
	idle     int
	idleFor  time.Duration
	quick    bool
	profile  string // a folder for profiles of Papillon; "" for none
}

// section is one part of the table.
type section struct {
	name string
	run  func(ctx context.Context, o options) ([]row, error)
}

// sections are in the order of the table.
func sections() []section {
	return []section{
		{"sign-ins", benchSignIns},
		{"idle", benchIdle},
		{"presence", benchPresence},
		{"chat", benchChat},
		{"contacts", benchContacts},
		{"logins", benchLogins},
		{"component", benchComponent},
		{"matrix", benchMatrix},
	}
}

// quickIdle is how long idle clients are watched when it has to be quick.
const quickIdle = 20 * time.Second

func main() {
	var o options
	flag.StringVar(&o.papillon, "papillon", "./papillon", "the program to measure")
	flag.StringVar(&o.only, "only", "", "sections to run, separated by commas; all if empty")
	flag.IntVar(&o.idle, "idle", 10000, "how many clients are signed in and idle")
	flag.DurationVar(&o.idleFor, "idle-for", 10*time.Minute, "how long they are watched")
	flag.BoolVar(&o.quick, "quick", false, "measure a tenth of everything, and watch the idle for 20 seconds at most")
	flag.StringVar(&o.profile, "profile", "", "a folder to write profiles of Papillon into")
	floorAddr := flag.Bool("floor", false, "be the floor: serve on a free port and print it")
	flag.Parse()
	if *floorAddr {
		exit(runFloor())
	}
	if o.quick {
		o.idleFor = min(o.idleFor, quickIdle)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// chosen returns the sections that are asked for.
func chosen(only string) ([]section, error) {
	all := sections()
	if only == "" {
		return all, nil
	}
	var some []section
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(s section) bool { return s.name == name })
		if i < 0 {
			var names []string
			for _, s := range all {
				names = append(names, s.name)
			}
			return nil, fmt.Errorf("there is no section %q; there are %s", name, strings.Join(names, ", "))
		}
		some = append(some, all[i])
	}
	return some, nil
}

// run measures the sections and prints the table as it grows.
func run(ctx context.Context, o options) error {
	parts, err := chosen(o.only)
	if err != nil {
		return err
	}
	if err := raiseFileLimit(); err != nil {
		return err
	}
	fmt.Printf("%s, %d cores, %s\n\n", time.Now().Format("2006-01-02"), runtime.NumCPU(), runtime.Version())
	var all []row
	for _, s := range parts {
		rows, err := s.run(ctx, o)
		all = append(all, rows...)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", s.name, err), printTable(all))
		}
		for _, r := range rows {
			fmt.Fprintf(os.Stderr, "# %s %s: %d, cpu %v, p50 %v, p99 %v %s\n", r.work, r.server, r.count, r.each(), r.taken.quantile(0.5), r.taken.quantile(0.99), r.note)
		}
	}
	return printTable(all)
}

// printTable prints rows, with the ratio of each server to its floor.
func printTable(rows []row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "work\tserver\tcount\trate/s\tp50\tp99\tCPU each\tto floor\t")
	floors := make(map[string]time.Duration)
	for _, r := range rows {
		if r.server == floorName {
			floors[r.work] = r.each()
		}
	}
	for _, r := range rows {
		ratio := ""
		if floor := floors[r.work]; floor > 0 && r.server != floorName {
			ratio = fmt.Sprintf("%.2f", float64(r.each())/float64(floor))
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\n", r.work, r.server, r.count, r.rate(),
			short(r.taken.quantile(0.5)), short(r.taken.quantile(0.99)), short(r.each()), ratio, r.note)
	}
	return w.Flush()
}

// short rounds a time to three digits.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d > time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Nanosecond).String()
}

// raiseFileLimit allows as many sockets as the system does.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return nil
}
