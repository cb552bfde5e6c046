package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dop251/goja"

	"pagefree/infra/local/template"
)

// maxCode is the most that CloudFront takes of a function, in bytes.
const maxCode = 10_000

// patience ends a function that goes on and on. CloudFront's own is under a millisecond of its processors.
const patience = 2 * time.Second

// errForbidden: the function did something that CloudFront does not let it.
var errForbidden = errors.New("what the function did is not allowed")

// function is a CloudFront Function, in an engine that is JavaScript and nothing else, as theirs is.
type function struct {
	program *goja.Program
	idle    sync.Pool // of *goja.Runtime: one runs one request at a time
}

// compile reads a function of the runtime cloudfront-js-2.0.
func compile(code string) (*function, error) {
	if len(code) > maxCode {
		return nil, fmt.Errorf("it has %d bytes, CloudFront takes %d", len(code), maxCode)
	}
	program, err := goja.Compile("viewer.js", code, false)
	if err != nil {
		return nil, err
	}
	f := &function{program: program}
	vm, err := f.runtime()
	if err != nil {
		return nil, err
	}
	f.idle.Put(vm)
	return f, nil
}

func (f *function) runtime() (*goja.Runtime, error) {
	if vm, ok := f.idle.Get().(*goja.Runtime); ok {
		return vm, nil
	}
	vm := goja.New()
	for _, name := range []string{"eval", "Function"} { // theirs has neither
		if err := vm.GlobalObject().Delete(name); err != nil {
			return nil, err
		}
	}
	console := vm.NewObject()
	if err := errors.Join(console.Set("log", func(goja.FunctionCall) goja.Value { return goja.Undefined() }), vm.Set("console", console)); err != nil {
		return nil, err
	}
	if _, err := vm.RunProgram(f.program); err != nil {
		return nil, err
	}
	if _, ok := goja.AssertFunction(vm.Get("handler")); !ok {
		return nil, errors.New("it has no function named handler")
	}
	return vm, nil
}

// value is a header, a cookie or a parameter in an event.
type value struct {
	Value      string  `json:"value"`
	MultiValue []value `json:"multiValue,omitempty"`
}

func valueOf(values []string) value {
	v := value{Value: values[0]}
	if len(values) > 1 {
		for _, each := range values {
			v.MultiValue = append(v.MultiValue, value{Value: each})
		}
	}
	return v
}

func (v value) all() []string {
	if v.MultiValue == nil {
		return []string{v.Value}
	}
	var out []string
	for _, each := range v.MultiValue {
		out = append(out, each.Value)
	}
	return out
}

// eventRequest is the request of an event.
type eventRequest struct {
	Method      string           `json:"method"`
	URI         string           `json:"uri"` // escaped, without the query
	QueryString map[string]value `json:"querystring"`
	Headers     map[string]value `json:"headers"` // names in lower case, without cookies
	Cookies     map[string]value `json:"cookies"`
}

// hidden are the headers that no function sees or adds.
func hidden(name string) bool {
	return strings.HasPrefix(name, "x-amz-cf-") || strings.HasPrefix(name, "x-edge-") || strings.HasPrefix(name, "x-accel-") || slices.Contains([]string{
		"connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "trailer", "upgrade",
		"x-amzn-auth", "x-amzn-errortype", "x-amzn-requestid", "x-cache", "x-forwarded-proto", "x-real-ip",
	}, name)
}

// readOnly are those that it sees, and leaves as they are.
var readOnly = []string{"content-length", "host", "transfer-encoding", "via"}

// eventOf is what a function is told of a request; besides are the headers that it is not.
func eventOf(r *http.Request) (e eventRequest, besides http.Header) {
	e = eventRequest{Method: r.Method, URI: r.URL.EscapedPath(), QueryString: map[string]value{}, Headers: map[string]value{"host": {Value: r.Host}}, Cookies: map[string]value{}}
	besides = http.Header{}
	query, _ := url.ParseQuery(r.URL.RawQuery) // as much of it as can be read
	for name, values := range query {
		e.QueryString[name] = valueOf(values)
	}
	cookies := map[string][]string{}
	for _, c := range r.Cookies() {
		cookies[c.Name] = append(cookies[c.Name], c.Value)
	}
	for name, values := range cookies {
		e.Cookies[name] = valueOf(values)
	}
	for name, values := range seen(r) {
		e.Headers[name] = valueOf(values)
	}
	for name, values := range r.Header {
		if lower := strings.ToLower(name); lower == "cookie" || hidden(lower) {
			besides[name] = values
		}
	}
	return e, besides
}

// seen are the headers that a function is told of, by their names in lower case.
func seen(r *http.Request) map[string][]string {
	out := map[string][]string{}
	for name, values := range r.Header {
		if lower := strings.ToLower(name); lower != "cookie" && !hidden(lower) {
			out[lower] = append(out[lower], values...)
		}
	}
	return out
}

// run gives the request as the function leaves it, or the answer that it makes instead.
func (f *function) run(r *http.Request, d *template.Distribution) (*http.Request, *answer, error) {
	before, besides := eventOf(r)
	event, err := json.Marshal(map[string]any{
		"version": "1.0",
		"context": map[string]string{"distributionDomainName": d.Domain, "distributionId": strings.ToUpper(d.ID), "eventType": "viewer-request", "requestId": requestID()},
		"viewer":  map[string]string{"ip": viewerIP(r)},
		"request": before,
	})
	if err != nil {
		return nil, nil, err
	}
	var told struct{ Request eventRequest }
	if err := json.Unmarshal(event, &told); err != nil { // what is no UTF-8 is told as something else
		return nil, nil, err
	}
	result, err := f.call(string(event))
	if err != nil {
		return nil, nil, err
	}
	var instead struct {
		StatusCode int              `json:"statusCode"`
		Headers    map[string]value `json:"headers"`
		Body       string           `json:"body"`
	}
	if err := json.Unmarshal(result, &instead); err == nil && instead.StatusCode != 0 {
		a := &answer{status: instead.StatusCode, header: http.Header{}, from: generated}
		for name, v := range instead.Headers {
			a.header[http.CanonicalHeaderKey(name)] = v.all()
		}
		a.body.WriteString(instead.Body)
		return nil, a, nil
	}
	var after eventRequest
	if err := json.Unmarshal(result, &after); err != nil {
		return nil, nil, fmt.Errorf("it returned no request: %w", err)
	}
	return after.request(r, told.Request, besides)
}

// request is r with the headers that the function left; what it did not touch stays as it came, byte by byte.
func (e eventRequest) request(r *http.Request, before eventRequest, besides http.Header) (*http.Request, *answer, error) {
	if e.Method != before.Method {
		return nil, nil, fmt.Errorf("%w: it changed the method", errForbidden)
	}
	if e.URI != before.URI || !reflect.DeepEqual(e.QueryString, before.QueryString) || !reflect.DeepEqual(e.Cookies, before.Cookies) {
		return nil, nil, errors.New("the local edge takes no change of the path, the query and the cookies")
	}
	for _, name := range readOnly {
		if !reflect.DeepEqual(e.Headers[name], before.Headers[name]) {
			return nil, nil, fmt.Errorf("%w: it changed %s", errForbidden, name)
		}
	}
	out, came := r.Clone(r.Context()), seen(r)
	out.Header = besides.Clone()
	for name, v := range e.Headers {
		if name != strings.ToLower(name) || hidden(name) {
			return nil, nil, fmt.Errorf("%w: it added %s", errForbidden, name)
		}
		if name == "host" {
			continue
		}
		values := v.all()
		if was, ok := before.Headers[name]; ok && reflect.DeepEqual(v, was) {
			values = came[name]
		}
		out.Header[http.CanonicalHeaderKey(name)] = values
	}
	return out, nil, nil
}

// call gives the JSON of what handler returns.
func (f *function) call(event string) ([]byte, error) {
	vm, err := f.runtime()
	if err != nil {
		return nil, err
	}
	timer := time.AfterFunc(patience, func() { vm.Interrupt("it took too long") })
	defer func() {
		if timer.Stop() { // else it may yet be interrupted
			f.idle.Put(vm)
		}
	}()
	// By JSON, so that it works on objects of its own.
	parse, _ := goja.AssertFunction(vm.Get("JSON").ToObject(vm).Get("parse"))
	stringify, _ := goja.AssertFunction(vm.Get("JSON").ToObject(vm).Get("stringify"))
	handler, _ := goja.AssertFunction(vm.Get("handler"))
	argument, err := parse(goja.Undefined(), vm.ToValue(event))
	if err != nil {
		return nil, err
	}
	result, err := handler(goja.Undefined(), argument)
	if err != nil {
		return nil, err
	}
	text, err := stringify(goja.Undefined(), result)
	if err != nil {
		return nil, err
	}
	if goja.IsUndefined(text) || goja.IsNull(result) {
		return nil, errors.New("it returned nothing")
	}
	return []byte(text.String()), nil
}
