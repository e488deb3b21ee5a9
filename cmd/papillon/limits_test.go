package main

import (
	"reflect"
	"testing"
)

// TestEveryLimitIsKept: each setting under limits reaches the one who keeps it, and
// nobody keeps a limit that cannot be set.
func TestEveryLimitIsKept(t *testing.T) {
	var set LimitsConfig
	settings := reflect.ValueOf(&set).Elem()
	for i := range settings.NumField() {
		settings.Field(i).SetInt(int64(4711 + i)) // a count or a time span
	}
	kept := make(map[string]int64)
	for _, keeper := range []any{set.msnp(), set.bridge()} {
		limits := reflect.ValueOf(keeper)
		for i := range limits.NumField() {
			kept[limits.Type().Field(i).Name] = limits.Field(i).Int()
		}
	}
	if len(kept) != settings.NumField() {
		t.Errorf("%d limits are kept, %d can be set", len(kept), settings.NumField())
	}
	for i := range settings.NumField() {
		name := settings.Type().Field(i).Name
		if got, ok := kept[name]; !ok || got != settings.Field(i).Int() {
			t.Errorf("%s: %d is set, %d is kept (%v)", name, settings.Field(i).Int(), got, ok)
		}
	}
}
