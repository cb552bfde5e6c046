// Package log sets up structured logs as CloudWatch reads them: one JSON
// object a line, and metrics in the embedded metric format (EMF).
//
// Never log a secret, a token, a script's parameters or a mail's link.
package log

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Setup makes w (a function's stdout) the place of all logs.
func Setup(w io.Writer, function string) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(w, nil)).With("function", function))
}

// namespace is where CloudWatch files PageFree's metrics.
const namespace = "PageFree"

// Count writes one EMF line that adds n to a metric without dimensions.
func Count(w io.Writer, now time.Time, metric string, n int) {
	Counts(w, now, nil, map[string]int{metric: n})
}

// Counts writes one EMF line that adds to metrics which all have the same
// dimensions. Format: CloudWatch's embedded metric format specification.
func Counts(w io.Writer, now time.Time, dimensions map[string]string, metrics map[string]int) {
	names, units := slices.Sorted(maps.Keys(dimensions)), []any{}
	if names == nil {
		names = []string{}
	}
	line := map[string]any{}
	for name, value := range dimensions {
		line[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		line[name] = metrics[name]
		units = append(units, map[string]string{"Name": name, "Unit": "Count"})
	}
	line["_aws"] = map[string]any{
		"Timestamp":         now.UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{"Namespace": namespace, "Dimensions": [][]string{names}, "Metrics": units}},
	}
	if raw, err := json.Marshal(line); err == nil {
		w.Write(append(raw, '\n')) // a log that cannot be written has nowhere to complain
	}
}
