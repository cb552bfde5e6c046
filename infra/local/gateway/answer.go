package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// answer is the output of a function with Lambda proxy integration. No member is required, and none may be added.
type answer struct {
	StatusCode        json.RawMessage              `json:"statusCode"`
	Headers           map[string]json.RawMessage   `json:"headers"`
	MultiValueHeaders map[string][]json.RawMessage `json:"multiValueHeaders"`
	Body              *string                      `json:"body"`
	IsBase64Encoded   bool                         `json:"isBase64Encoded"`

	status int
	header http.Header
}

func parseAnswer(payload []byte) (*answer, error) {
	a := &answer{status: http.StatusOK, header: http.Header{}}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(a); err != nil {
		return nil, err
	}
	if string(bytes.TrimSpace(payload)) == "null" {
		return nil, errors.New("it is null")
	}
	if digits := strings.Trim(string(a.StatusCode), `"`); digits != "" && digits != "null" {
		status, err := strconv.Atoi(digits)
		if err != nil || status < 100 || status > 599 {
			return nil, fmt.Errorf("statusCode is %s", a.StatusCode)
		}
		a.status = status
	}
	for name, values := range a.MultiValueHeaders {
		for _, raw := range values {
			value, err := headerValue(raw)
			if err != nil {
				return nil, fmt.Errorf("header %s: %w", name, err)
			}
			a.header[name] = append(a.header[name], value)
		}
	}
	for name, raw := range a.Headers { // the same pair in both counts once
		value, err := headerValue(raw)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		if !slices.Contains(a.header[name], value) {
			a.header[name] = append(a.header[name], value)
		}
	}
	return a, nil
}

// headerValue is a string or a boolean.
func headerValue(raw json.RawMessage) (string, error) {
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		return s, nil
	}
	if text := string(raw); text == "true" || text == "false" {
		return text, nil
	}
	return "", fmt.Errorf("the value is %s", raw)
}

// remapped are the headers of a function that API Gateway passes on only under the name x-amzn-Remapped-<name>.
var remapped = []string{
	"Authorization", "Connection", "Content-Length", "Content-Md5", "Date", "Expect", "Host", "Max-Forwards",
	"Proxy-Authenticate", "Server", "Trailer", "Upgrade", "User-Agent", "Www-Authenticate",
}

func (x *exchange) write(w http.ResponseWriter, a *answer) {
	h := w.Header()
	h.Set("Content-Type", "application/json") // unless the function says otherwise
	for name, values := range a.header {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case canonical == "Transfer-Encoding":
		case slices.Contains(remapped, canonical):
			h["x-amzn-Remapped-"+name] = values
		default:
			h[canonical] = values
		}
	}
	x.stamp(h)
	h.Set("X-Amzn-Trace-Id", x.traceID)

	var body []byte
	if a.Body != nil {
		body = []byte(*a.Body)
	}
	// Base64 is undone only when the first type that the caller accepts is a binary one, which */* always is.
	accept, _, _ := strings.Cut(x.request.Header.Get("Accept"), ",")
	if a.IsBase64Encoded && isBinary(x.api.BinaryMediaTypes, accept) {
		decoded, err := base64.StdEncoding.DecodeString(*a.Body)
		if err != nil {
			clear(h)
			x.render(w, refuse("API_CONFIGURATION_ERROR", 500, "InternalServerErrorException", "Internal server error"))
			return
		}
		body = decoded
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}
