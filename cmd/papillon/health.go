package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"papillon/msnp"
)

// readyTimeout bounds a check of readiness.
const readyTimeout = 5 * time.Second

// healthHandler serves /healthz (the process answers), /readyz (the checks pass)
// and /metrics.
func healthHandler(metrics *prometheus.Registry, checks map[string]func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		for name, check := range checks {
			if err := check(ctx); err != nil {
				http.Error(w, fmt.Sprintf("%s: %v", name, err), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}

// newMetrics makes the figures that Prometheus reads.
func newMetrics(stats func() msnp.Stats) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, m := range []struct {
		name, help string
		counter    bool
		value      func(msnp.Stats) int64
	}{
		{"papillon_connections", "Open MSN connections.", false, func(s msnp.Stats) int64 { return s.Connections }},
		{"papillon_signed_in", "Signed-in MSN users.", false, func(s msnp.Stats) int64 { return s.SignedIn }},
		{"papillon_switchboards", "Open switchboard connections.", false, func(s msnp.Stats) int64 { return s.Switchboards }},
		{"papillon_sign_ins_total", "Successful sign-ins.", true, func(s msnp.Stats) int64 { return s.SignIns }},
		{"papillon_sign_ins_refused_total", "Failed sign-ins.", true, func(s msnp.Stats) int64 { return s.Refused }},
		{"papillon_messages_total", "Messages taken from MSN clients.", true, func(s msnp.Stats) int64 { return s.Messages }},
		{"papillon_clients_dropped_total", "MSN clients dropped because they did not read.", true, func(s msnp.Stats) int64 { return s.Dropped }},
	} {
		value := func() float64 { return float64(m.value(stats())) }
		if m.counter {
			r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: m.name, Help: m.help}, value))
		} else {
			r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name, Help: m.help}, value))
		}
	}
	return r
}
