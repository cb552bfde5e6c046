package template

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// call is an intrinsic function that is still to be evaluated. Both spellings, !Sub and Fn::Sub, become the same call.
type call struct {
	name string // "Ref", "Condition", or the part after "Fn::"
	arg  any
	line int
}

// shortTags maps a YAML tag to the name of its intrinsic function.
var shortTags = map[string]string{
	"!And": "And", "!Base64": "Base64", "!Condition": "Condition", "!Equals": "Equals", "!FindInMap": "FindInMap",
	"!GetAZs": "GetAZs", "!GetAtt": "GetAtt", "!If": "If", "!Join": "Join", "!Not": "Not", "!Or": "Or", "!Ref": "Ref",
	"!Select": "Select", "!Split": "Split", "!Sub": "Sub",
}

// longForms is the set of names that may follow "Fn::".
var longForms = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range shortTags {
		m[name] = true
	}
	delete(m, "Ref")
	delete(m, "Condition")
	return m
}()

// Plain words with colons inside, such as dynamodb:GetItem, are valid YAML, but the parser takes the first colon for the
// end of a key when they stand between braces. quoteColons puts quotes around them, as keys and as values; what stands in
// {{ }}, a dynamic reference, is left alone.
var (
	colonKey    = regexp.MustCompile(`([^${]\{ *|, *)([A-Za-z0-9]+:[A-Za-z]+):`)
	colonPseudo = regexp.MustCompile(`!Ref (AWS::[A-Za-z]+)`)
	colonValue  = regexp.MustCompile(`([^${][\[{,] *|[A-Za-z]: )([A-Za-z0-9-]+(?::+[A-Za-z0-9*/._-]+)+)( *[,}\]])`)
)

// quoted has what quoteColons made of what it was given, by SHA-256: the tests of one process read the same template often.
var quoted sync.Map

func quoteColons(data []byte) []byte {
	sum := sha256.Sum256(data)
	if done, ok := quoted.Load(sum); ok {
		return done.([]byte)
	}
	defer func() { quoted.Store(sum, data) }()
	data = colonKey.ReplaceAll(data, []byte(`$1"$2":`))
	data = colonPseudo.ReplaceAll(data, []byte(`!Ref "$1"`))
	for range 2 { // neighbours share the comma between them
		data = colonValue.ReplaceAll(data, []byte(`$1"$2"$3`))
	}
	return data
}

// decode reads one YAML document into map[string]any, []any, string, int64, float64, bool, nil and call.
func decode(data []byte) (map[string]any, error) {
	file, err := parser.ParseBytes(quoteColons(data), 0)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	if len(file.Docs) != 1 {
		return nil, fmt.Errorf("read template: want one YAML document, got %d", len(file.Docs))
	}
	v, err := decodeNode(file.Docs[0].Body)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("read template: the document is not a mapping")
	}
	return m, nil
}

func decodeNode(n ast.Node) (any, error) {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return nil, nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.FloatNode:
		return n.Value, nil
	case *ast.IntegerNode:
		return decodeInteger(n), nil
	case *ast.SequenceNode:
		return decodeSequence(n)
	case *ast.MappingNode:
		return decodeMapping(n.Values)
	case *ast.MappingValueNode:
		return decodeMapping([]*ast.MappingValueNode{n})
	case *ast.TagNode:
		return decodeTag(n)
	default:
		return nil, fmt.Errorf("line %d: YAML %s is not supported", lineOf(n), n.Type())
	}
}

// decodeInteger keeps digits that are no plain number, such as the account id 000000000000, as they were written.
func decodeInteger(n *ast.IntegerNode) any {
	text := n.GetToken().Value
	if len(text) > 1 && text[0] == '0' {
		return text
	}
	switch v := n.Value.(type) {
	case int64:
		return v
	case uint64:
		return int64(v)
	default:
		return text
	}
}

func decodeSequence(n *ast.SequenceNode) (any, error) {
	list := make([]any, 0, len(n.Values))
	for _, item := range n.Values {
		v, err := decodeNode(item)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func decodeMapping(pairs []*ast.MappingValueNode) (any, error) {
	m := make(map[string]any, len(pairs))
	line := 0
	for _, pair := range pairs {
		line = lineOf(pair.Key)
		if pair.Key.IsMergeKey() {
			return nil, fmt.Errorf("line %d: YAML merge keys are not supported", line)
		}
		key := pair.Key.GetToken().Value
		v, err := decodeNode(pair.Value)
		if err != nil {
			return nil, err
		}
		m[key] = v
	}
	if len(m) != 1 {
		return m, nil
	}
	for key, arg := range m {
		if key == "Ref" {
			return call{name: "Ref", arg: arg, line: line}, nil
		}
		if name, ok := strings.CutPrefix(key, "Fn::"); ok {
			if !longForms[name] {
				return nil, fmt.Errorf("line %d: unknown intrinsic function %s", line, key)
			}
			return call{name: name, arg: arg, line: line}, nil
		}
	}
	return m, nil
}

func decodeTag(n *ast.TagNode) (any, error) {
	name, ok := shortTags[n.Start.Value]
	if !ok {
		return nil, fmt.Errorf("line %d: unknown intrinsic function %s", lineOf(n), n.Start.Value)
	}
	arg, err := decodeNode(n.Value)
	if err != nil {
		return nil, err
	}
	return call{name: name, arg: arg, line: lineOf(n)}, nil
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}
