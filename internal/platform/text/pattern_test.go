package text

import "testing"

func TestPattern(t *testing.T) {
	p := Pattern(`^a{1,40}$`)
	if first, second := p(), p(); first != second {
		t.Error("it is compiled each time")
	}
	if !p().MatchString("aa") || p().MatchString("ab") {
		t.Error("it is another pattern")
	}
	wrong := Pattern(`(`) // nobody asks
	defer func() {
		if recover() == nil {
			t.Error("a wrong pattern does not panic when it is needed")
		}
	}()
	wrong()
}
