// Package log sets up structured logs as CloudWatch reads them: one JSON
// object a line, and metrics in the embedded metric format (EMF).
//
// Never log a secret, a token, a script's parameters or a mail's link.
package log

import (
	"encoding/json"
	"io"
	"log/slog"
	"time"
)

// Setup makes w (a function's stdout) the place of all logs.
func Setup(w io.Writer, function string) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(w, nil)).With("function", function))
}

// namespace is where CloudWatch files PageFree's metrics.
const namespace = "PageFree"

// Count writes one EMF line that adds n to a metric without dimensions.
// Format: CloudWatch's embedded metric format specification.
func Count(w io.Writer, now time.Time, metric string, n int) {
	line, err := json.Marshal(map[string]any{
		"_aws": map[string]any{
			"Timestamp": now.UnixMilli(),
			"CloudWatchMetrics": []any{map[string]any{
				"Namespace": namespace, "Dimensions": [][]string{{}},
				"Metrics": []any{map[string]string{"Name": metric, "Unit": "Count"}},
			}},
		},
		metric: n,
	})
	if err == nil {
		w.Write(append(line, '\n')) // a log that cannot be written has nowhere to complain
	}
}
