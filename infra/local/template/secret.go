package template

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
)

// dynamicReference is what CloudFormation replaces in a property, when it makes the resource, and nowhere else.
var dynamicReference = regexp.MustCompile(`\{\{resolve:([^}]*)\}\}`)

// resolve replaces the dynamic references of evaluated properties: {{resolve:secretsmanager:<ARN>:SecretString}}, of
// secrets of this template.
func (e *evaluator) resolve(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			value, err := e.resolve(member)
			if err != nil {
				return nil, err
			}
			v[key] = value
		}
	case []any:
		for i, item := range v {
			value, err := e.resolve(item)
			if err != nil {
				return nil, err
			}
			v[i] = value
		}
	case string:
		var err error
		out := dynamicReference.ReplaceAllStringFunc(v, func(reference string) string {
			value, ok := e.secretOf(dynamicReference.FindStringSubmatch(reference)[1])
			if !ok {
				err = fmt.Errorf("%s is no secret of this template", reference)
			}
			return value
		})
		return out, err
	}
	return v, nil
}

// secretOf is the value of "secretsmanager:<ARN>:SecretString".
func (e *evaluator) secretOf(reference string) (string, bool) {
	arn, isSecret := strings.CutPrefix(reference, "secretsmanager:")
	arn, whole := strings.CutSuffix(arn, ":SecretString")
	if !isSecret || !whole {
		return "", false
	}
	for _, r := range e.resources {
		if r.kind != "AWS::SecretsManager::Secret" {
			continue
		}
		if own, err := e.refResource(r); err == nil && own == arn {
			return e.generated(r), true
		}
	}
	return "", false
}

// generated is the value of a secret: letters and digits, made from the seed, the stack's name and its own, so that it
// is another one under another name.
func (e *evaluator) generated(r *resource) string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	size := 32
	if m, ok := r.raw["GenerateSecretString"].(map[string]any); ok {
		if n, ok := m["PasswordLength"].(int64); ok && n > 0 && n <= 4096 {
			size = int(n)
		}
	}
	name, _ := e.refResource(r)
	var out strings.Builder
	for block := 0; out.Len() < size; block++ {
		mac := hmac.New(sha256.New, []byte(e.opts.Seed))
		fmt.Fprintf(mac, "%s\x00%v\x00%d", e.opts.StackName, name, block)
		for _, b := range mac.Sum(nil) {
			out.WriteByte(letters[int(b)%len(letters)])
		}
	}
	return out.String()[:size]
}

func (b *builder) secret(r *resource, p properties) {
	p.only("Description", "GenerateSecretString", "KmsKeyId", "Name", "Tags")
	how := p.sub("GenerateSecretString")
	how.only("ExcludePunctuation", "PasswordLength")
	if !how.flag("ExcludePunctuation", false) {
		how.fail("the local stack makes secrets of letters and digits alone: ExcludePunctuation has to be true")
	}
	b.t.Secrets[r.id] = &Secret{LogicalID: r.id, ARN: b.refText(r), Value: b.e.generated(r)}
}
