package bridge

import (
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"

	"papillon/bridge/handle"
	"papillon/msnp"
)

// Authenticate implements [msnp.Backend].
func (g *Gateway) Authenticate(ctx context.Context, proof msnp.Proof) (msnp.Member, error) {
	began := time.Now()
	who, failures, err := g.authenticate(ctx, proof)
	if errors.Is(err, msnp.ErrAuthenticationFailed) {
		refusal := time.NewTimer(time.Until(began.Add(g.Limits.refusalAfter(failures))))
		defer refusal.Stop()
		select {
		case <-refusal.C:
		case <-ctx.Done():
		}
	}
	return who, err
}

// refusalAfter is how long a refusal takes after so many of the same guesser.
func (l Limits) refusalAfter(failures int) time.Duration {
	most := l.SignInDelayMax
	if most <= 0 {
		most = math.MaxInt64
	}
	delay := min(l.SignInDelay, most)
	for ; failures > 1 && 0 < delay && delay < most; failures-- {
		if delay > most/2 {
			return most
		}
		delay *= 2
	}
	return delay
}

// authenticate does the same work for a handle that nobody has. Failures is how often
// this guesser has failed lately, this time included.
func (g *Gateway) authenticate(ctx context.Context, proof msnp.Proof) (who msnp.Member, failures int, err error) {
	h, err := g.accountHandle(ctx, proof.Handle)
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return msnp.Member{}, 0, err
	}
	if err := g.settle(ctx, h); err != nil {
		return msnp.Member{}, 0, err
	}
	who, passwords, err := g.Storage.Credentials(ctx, h)
	if err != nil {
		return msnp.Member{}, 0, err
	}
	used, ok := matchPassword(passwords, proof)
	if failures := g.guesses.judge(guesser{h, guesserAddr(proof.Addr)}, ok, time.Now()); failures > 0 {
		return msnp.Member{}, failures, msnp.ErrAuthenticationFailed
	}
	g.notePasswordUse(used)
	return who, 0, nil
}

// matchPassword finds the app password that gives the client's answer. It looks
// at all of them, and at one that does not exist, so that the time it takes
// tells nothing.
func matchPassword(passwords []PasswordRecord, proof msnp.Proof) (used PasswordRecord, ok bool) {
	want := []byte(strings.ToLower(proof.Response))
	for _, p := range append(passwords, PasswordRecord{ID: -1}) {
		sum := md5.Sum([]byte(proof.Challenge + p.Password))
		answer := make([]byte, hex.EncodedLen(len(sum)))
		hex.Encode(answer, sum[:])
		if subtle.ConstantTimeCompare(answer, want) == 1 && p.ID >= 0 {
			used, ok = p, true
		}
	}
	return used, ok
}

// passwordUseGrain is how exact "last used" is: a write to the database for
// every sign-in would cost more than the sign-in.
const passwordUseGrain = time.Minute

// notePasswordUse remembers that a password was used.
func (g *Gateway) notePasswordUse(p PasswordRecord) {
	now := time.Now()
	if now.Sub(p.LastUsed) < passwordUseGrain {
		return
	}
	g.spawn(func(ctx context.Context) {
		if err := g.Storage.PasswordUsed(ctx, p.ID, now); err != nil && ctx.Err() == nil {
			g.Log.Warn().Err(err).Msg("Cannot note the use of a password")
		}
	})
}

// accountHandle turns a handle as typed at sign-in into that of an account: a
// missing domain is the gateway's, and a login domain stands for it. It returns
// [ErrNoAccount] for what cannot be a handle.
func (g *Gateway) accountHandle(ctx context.Context, typed string) (Handle, error) {
	if !strings.Contains(typed, "@") {
		typed += "@" + g.Domain
	}
	h, err := msnp.ParseHandle(typed)
	if err != nil {
		return "", ErrNoAccount
	}
	return g.canonical(ctx, h)
}

// canonical maps a handle in a login domain to the account in the gateway's
// domain, unless an account has that very handle.
func (g *Gateway) canonical(ctx context.Context, h Handle) (Handle, error) {
	for _, domain := range g.LoginDomains {
		if !strings.EqualFold(h.Domain(), domain) {
			continue
		}
		_, err := g.Storage.Account(ctx, h)
		if errors.Is(err, ErrNoAccount) {
			return msnp.ParseHandle(h.Local() + "@" + g.Domain)
		}
		return h, err
	}
	return h, nil
}

// typedHandle reads a handle that a user typed to name somebody else.
func (g *Gateway) typedHandle(ctx context.Context, typed string) (Handle, error) {
	h, err := msnp.ParseHandle(handle.Unwrap(typed, g.LoginDomains))
	if err != nil {
		return "", err
	}
	return g.canonical(ctx, h)
}

// guesser is who guesses: one address, at one account. The owner of the account
// can still sign in from elsewhere.
type guesser struct {
	account Handle
	addr    netip.Addr
}

// guesserAddr is the address that guesses count against: of IPv6 the /64, all of
// which one computer can use at will.
func guesserAddr(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr
}

// maxGuessers bounds the table of guessers, in which anybody can have himself put under any handle.
const maxGuessers = 100_000

// guessLimiter bounds the failed sign-ins of each guesser.
type guessLimiter struct {
	limit     int
	window    time.Duration // how long a failed one counts
	mu        sync.Mutex
	byGuesser map[guesser]*guesses
	swept     time.Time
}

// guesses are failed sign-ins within a window.
type guesses struct {
	count int
	since time.Time
}

// judge notes a sign-in and returns 0 if it may stand, else how many have failed with
// it. One with the right password fails, too, when too many have failed before it.
func (l *guessLimiter) judge(who guesser, ok bool, now time.Time) (failures int) {
	if l.limit <= 0 || l.window <= 0 { // switched off
		if !ok {
			failures = 1
		}
		return failures
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > l.window {
		l.swept = now
		for who, past := range l.byGuesser {
			if now.Sub(past.since) > l.window {
				delete(l.byGuesser, who)
			}
		}
	}
	past := l.byGuesser[who]
	if past != nil && now.Sub(past.since) > l.window {
		past = nil
	}
	switch {
	case past != nil && past.count >= l.limit:
		past.count++
	case ok:
		delete(l.byGuesser, who)
		return 0
	case past == nil:
		for other := range l.byGuesser { // somebody at random makes room
			if len(l.byGuesser) < maxGuessers {
				break
			}
			delete(l.byGuesser, other)
		}
		past = &guesses{count: 1, since: now}
		l.byGuesser[who] = past
	default:
		past.count++
	}
	return past.count
}
