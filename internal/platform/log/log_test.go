package log_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pagefree/internal/platform/log"
)

func TestSetup(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var out bytes.Buffer
	log.Setup(&out, "incidents")
	slog.Info("request", "status", 200)
	slog.Error("failed", "error", errors.New("line one\nline two"))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want one a record: %q", len(lines), lines)
	}
	var first, second map[string]any
	for i, v := range []*map[string]any{&first, &second} {
		if err := json.Unmarshal([]byte(lines[i]), v); err != nil {
			t.Fatal(err)
		}
	}
	if first["msg"] != "request" || first["function"] != "incidents" || first["status"] != 200.0 {
		t.Errorf("got %v", first)
	}
	if second["level"] != "ERROR" || second["error"] != "line one\nline two" {
		t.Errorf("got %v", second)
	}
}

func TestCount(t *testing.T) {
	var out bytes.Buffer
	log.Count(&out, time.UnixMilli(1234), "ExecutionsFailed", 3)
	var got struct {
		AWS struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
		ExecutionsFailed int
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.AWS.Timestamp != 1234 || got.ExecutionsFailed != 3 || len(got.AWS.CloudWatchMetrics) != 1 {
		t.Fatalf("got %s", out.String())
	}
	m := got.AWS.CloudWatchMetrics[0]
	if m.Namespace != "PageFree" || len(m.Dimensions) != 1 || len(m.Dimensions[0]) != 0 || m.Metrics[0].Name != "ExecutionsFailed" || m.Metrics[0].Unit != "Count" {
		t.Errorf("got %s", out.String())
	}
	if !strings.HasSuffix(out.String(), "}\n") {
		t.Error("a line has to end")
	}
}
