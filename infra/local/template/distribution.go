package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// managedCaching are those of CloudFront's own cache policies that are known here, by id.
var managedCaching = map[string]CachePolicy{
	"4135ea2d-6df8-44a3-9df3-4b5a84be39ad": {},                                                                                      // CachingDisabled
	"658327ea-f89d-4fab-a63d-7e88639e58f6": {Min: time.Second, Default: 24 * time.Hour, Max: 365 * 24 * time.Hour, Encodings: true}, // CachingOptimized
}

// allViewerExceptHost is CloudFront's own origin request policy of that name.
const allViewerExceptHost = "b689b0a8-53d0-40ab-baf2-68738e2966ac"

func (e *evaluator) edgeFunctionARN(name string) string {
	return "arn:aws:cloudfront::" + e.opts.AccountID + ":function/" + name
}

func (b *builder) distribution(r *resource, p properties) {
	p.only("DistributionConfig", "Tags")
	if b.t.Edge != nil {
		p.fail("the local stack plays one distribution, and %s is one already", b.t.Edge.LogicalID)
		return
	}
	c := p.sub("DistributionConfig")
	c.only("Aliases", "CacheBehaviors", "Comment", "CustomErrorResponses", "DefaultCacheBehavior", "Enabled", "HttpVersion", "IPV6Enabled",
		"Logging", "Origins", "PriceClass", "ViewerCertificate", "WebACLId")
	d := &Distribution{LogicalID: r.id, ID: b.refText(r), Domain: b.attText(r, "DomainName"), OriginHeaders: map[string]string{}, ErrorTTL: map[int]time.Duration{}}
	origins := c.items("Origins")
	if len(origins) == 0 {
		c.fail("has no origin")
		return
	}
	o := origins[0]
	b.origin(d, o)
	for _, socket := range origins[1:] {
		b.socketOrigin(d, socket)
	}
	for _, m := range c.items("CacheBehaviors") {
		d.Behaviors = append(d.Behaviors, b.behavior(m, m.text("PathPattern", ""), origins))
	}
	d.Behaviors = append(d.Behaviors, b.behavior(c.sub("DefaultCacheBehavior"), "*", origins[:1]))
	for _, e := range c.items("CustomErrorResponses") {
		e.only("ErrorCachingMinTTL", "ErrorCode") // it shows no page instead of the origin's
		d.ErrorTTL[e.integer("ErrorCode", 0)] = seconds(e.integer("ErrorCachingMinTTL", 10))
	}
	b.t.Edge = d
}

// origin reads the first one, which is the API.
func (b *builder) origin(d *Distribution, o properties) {
	d.OriginDomain, d.OriginPath, d.OriginHeaders = o.text("DomainName", ""), o.text("OriginPath", ""), originHeaders(o)
	if api := b.t.API; api == nil || d.OriginDomain != b.executeAPI(api.ID) || d.OriginPath != "/"+api.Stage {
		o.fail("the local stack knows no origin but the template's API, by its stage, and the WebSocket API after it")
	}
}

// socketOrigin reads another one, which is the WebSocket API: its stage is the path.
func (b *builder) socketOrigin(d *Distribution, o properties) {
	api := b.t.Sockets
	if api == nil || o.text("DomainName", "") != b.executeAPI(api.ID) || o.text("OriginPath", "") != "" || d.SocketDomain != "" {
		o.fail("the local stack knows no second origin but the template's WebSocket API, without a path")
		return
	}
	if d.SocketDomain = o.text("DomainName", ""); !maps.Equal(originHeaders(o), d.OriginHeaders) {
		o.fail("has other headers than the API")
	}
}

func (b *builder) executeAPI(id string) string {
	return fmt.Sprintf("%s.execute-api.%s.amazonaws.com", id, b.e.opts.Region)
}

func originHeaders(o properties) map[string]string {
	o.only("ConnectionAttempts", "ConnectionTimeout", "CustomOriginConfig", "DomainName", "Id", "OriginCustomHeaders", "OriginPath")
	out := map[string]string{}
	for _, h := range o.items("OriginCustomHeaders") {
		out[h.text("HeaderName", "")] = h.text("HeaderValue", "")
	}
	return out
}

// behavior reads one; the first of the origins is the API's, the second the WebSocket API's.
func (b *builder) behavior(p properties, pattern string, origins []properties) Behavior {
	p.only("AllowedMethods", "CachePolicyId", "CachedMethods", "Compress", "FunctionAssociations", "OriginRequestPolicyId", "PathPattern",
		"ResponseHeadersPolicyId", "TargetOriginId", "ViewerProtocolPolicy")
	at := slices.IndexFunc(origins, func(o properties) bool { return o.text("Id", "") == p.text("TargetOriginId", "") })
	if at < 0 {
		p.fail("TargetOriginId is no origin that the local stack plays for these paths")
	}
	out := Behavior{Sockets: at > 0, Pattern: pattern, Methods: p.texts("AllowedMethods"), Compress: p.flag("Compress", false), Headers: map[string]Header{}}
	if out.Methods == nil {
		out.Methods = []string{"GET", "HEAD"}
	}
	var known bool
	if out.Cache, known = managedCaching[p.text("CachePolicyId", "")]; !known {
		p.fail("the local stack does not know the cache policy %q", p.text("CachePolicyId", ""))
	}
	switch id := p.text("OriginRequestPolicyId", ""); id {
	case "":
	case allViewerExceptHost:
		out.ForwardsHeaders = true
	default:
		p.fail("the local stack does not know the origin request policy %q", id)
	}
	if id := p.text("ResponseHeadersPolicyId", ""); id != "" {
		out.Headers = b.headersPolicy(p, id)
	}
	for _, f := range p.items("FunctionAssociations") {
		if kind := f.text("EventType", ""); kind != "viewer-request" {
			f.fail("the local stack does not know the event type %q", kind)
		}
		out.ViewerRequest = b.edgeFunction(f, f.text("FunctionARN", ""))
	}
	return out
}

func (b *builder) edgeFunction(p properties, arn string) (code string) {
	b.each("AWS::CloudFront::Function", func(r *resource, f properties) {
		if b.attText(r, "FunctionARN") != arn {
			return
		}
		f.only("AutoPublish", "FunctionCode", "FunctionConfig", "FunctionMetadata", "Name")
		if runtime := f.sub("FunctionConfig").text("Runtime", ""); runtime != "cloudfront-js-2.0" || !f.flag("AutoPublish", false) {
			f.fail("the local stack runs cloudfront-js-2.0, published, and not %q", runtime)
		}
		code = f.text("FunctionCode", "")
	})
	if code == "" {
		p.fail("FunctionARN is no function of this template")
	}
	return code
}

// headersPolicy gives the headers of a response headers policy of this template.
func (b *builder) headersPolicy(p properties, id string) map[string]Header {
	out, found := map[string]Header{}, false
	b.each("AWS::CloudFront::ResponseHeadersPolicy", func(r *resource, policy properties) {
		if b.refText(r) != id {
			return
		}
		found = true
		config := policy.sub("ResponseHeadersPolicyConfig")
		config.only("Comment", "Name", "SecurityHeadersConfig")
		security := config.sub("SecurityHeadersConfig")
		security.only("ContentTypeOptions", "FrameOptions", "ReferrerPolicy", "StrictTransportSecurity")
		set := func(name, member string, value func(properties) string) {
			if m := security.sub(member); m.m != nil {
				out[name] = Header{Value: value(m), Override: m.flag("Override", false)}
			}
		}
		set("X-Content-Type-Options", "ContentTypeOptions", func(properties) string { return "nosniff" })
		set("X-Frame-Options", "FrameOptions", func(m properties) string { return m.text("FrameOption", "") })
		set("Referrer-Policy", "ReferrerPolicy", func(m properties) string { return m.text("ReferrerPolicy", "") })
		set("Strict-Transport-Security", "StrictTransportSecurity", func(m properties) string {
			value := fmt.Sprintf("max-age=%d", m.integer("AccessControlMaxAgeSec", 0))
			if m.flag("IncludeSubdomains", false) {
				value += "; includeSubDomains"
			}
			if m.flag("Preload", false) {
				value += "; preload"
			}
			return value
		})
	})
	if !found {
		p.fail("ResponseHeadersPolicyId is no policy of this template")
	}
	return out
}

// BehaviorFor is the first behavior whose pattern fits a path, as it was sent.
func (d *Distribution) BehaviorFor(path string) Behavior {
	at := slices.IndexFunc(d.Behaviors, func(b Behavior) bool { return wildcard(b.Pattern, path) })
	return d.Behaviors[at] // the last one fits everything
}

// wildcard matches * for any run of characters and ? for one. A slash at the beginning of a pattern may be left out.
func wildcard(pattern, s string) bool {
	if pattern != "*" && !strings.HasPrefix(pattern, "/") {
		pattern = "/" + pattern
	}
	return glob(pattern, s)
}

func glob(pattern, s string) bool {
	for len(pattern) > 0 {
		switch {
		case pattern[0] == '*':
			for i := 0; i <= len(s); i++ {
				if glob(pattern[1:], s[i:]) {
					return true
				}
			}
			return false
		case s == "" || pattern[0] != '?' && pattern[0] != s[0]:
			return false
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}
