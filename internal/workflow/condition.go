package workflow

import (
	"errors"
	"strconv"
	"strings"

	"pagefree/internal/platform/template"
)

// condition is the `if` of a step: one comparison of a path with a text, or one
// path that must not be empty.
type condition struct {
	left     *template.Template // of one action and nothing else
	operator string             // ==, !=, <, > or "" for not empty
	right    string
}

var errCondition = errors.New(`it is one comparison, {{path}} == "text" (or !=, <, >), or one {{path}}`)

// parseCondition reads an `if`.
func parseCondition(text string) (condition, error) {
	text = strings.TrimSpace(text)
	rest, opens := strings.CutPrefix(text, "{{")
	if !opens {
		return condition{}, errCondition
	}
	end := closing(rest)
	if end < 0 {
		return condition{}, errCondition
	}
	left, err := template.Parse(text[:end+4])
	if err != nil {
		return condition{}, err
	}
	c := condition{left: left}
	rest = strings.TrimSpace(rest[end+2:])
	if rest == "" {
		return c, nil
	}
	for _, operator := range []string{"==", "!=", "<", ">"} {
		quoted, is := strings.CutPrefix(rest, operator)
		if !is {
			continue
		}
		quoted = strings.TrimSpace(quoted)
		right, err := strconv.Unquote(quoted)
		if err != nil || !strings.HasPrefix(quoted, `"`) {
			return condition{}, errors.New("what follows " + operator + " is one text in double quotes")
		}
		c.operator, c.right = operator, right
		return c, nil
	}
	return condition{}, errCondition
}

// closing is where the }} stands that ends an action, passing over quoted text;
// -1 where there is none.
func closing(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], "}}"):
			return i
		}
	}
	return -1
}

// holds evaluates the condition. Where both sides are numbers, they compare as
// numbers ("10" > "9", "1.0" == "1"), else as texts, byte by byte. A path
// without a value is empty text to == and !=, and never less or greater.
func (c condition) holds(s template.Scope) bool {
	left, err := c.left.Resolve(s)
	if err != nil { // its path was known when the workflow was written: it has no value
		left = ""
	}
	order := strings.Compare(left, c.right)
	if a, b, numbers := bothNumbers(left, c.right); numbers {
		switch {
		case a < b:
			order = -1
		case a > b:
			order = 1
		default:
			order = 0
		}
	}
	switch c.operator {
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return err == nil && order < 0
	case ">":
		return err == nil && order > 0
	}
	return left != ""
}

func bothNumbers(a, b string) (x, y float64, ok bool) {
	x, errX := number(a)
	y, errY := number(b)
	return x, y, errX == nil && errY == nil
}

// number reads a decimal number, as people write it: no hexadecimal, no
// underscores, no Inf.
func number(s string) (float64, error) {
	s = strings.TrimSpace(s)
	if strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) }) {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(s, 64)
}
