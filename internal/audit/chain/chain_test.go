package chain

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestCanonical has RFC 8785's own examples (section 3.2.2 and appendix B), and what PageFree's events hold besides.
func TestCanonical(t *testing.T) {
	tests := map[string]struct{ give, want string }{
		"members are sorted":         {`{"b":1,"a":{"d":[],"c":null}}`, `{"a":{"c":null,"d":[]},"b":1}`},
		"white space goes":           {" { \"a\" :\t[ 1 , 2 ] }\n", `{"a":[1,2]}`},
		"the RFC's own":              {`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`, `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`},
		"sorted by UTF-16":           {`{"\ufb33":1,"\ud83d\ude00":2,"\u20ac":3,"1":4,"\u0080":5}`, "{\"1\":4,\"\u0080\":5,\"€\":3,\"😀\":2,\"\ufb33\":1}"},
		"HTML is not escaped":        {`"\u003c\u0026\u2028"`, "\"<&\u2028\""},
		"minus nothing is nothing":   {`-0`, `0`},
		"a long number is rounded":   {`9007199254740993`, `9007199254740992`},
		"an exponent from 21 digits": {`[100000000000000000000,1000000000000000000000]`, `[100000000000000000000,1e+21]`},
	}
	for name, tt := range tests {
		got, err := Canonical([]byte(tt.give))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, tt.want)
		}
	}
	for name, give := range map[string]string{"a member twice": `{"a":1,"a":2}`, "no UTF-8": "\"\xff\"", "half a pair": `"\ud83d"`, "two values": `1 2`, "nothing": ``, "a comma more": `[1,]`} {
		if got, err := Canonical([]byte(give)); err == nil {
			t.Errorf("%s: got %s, want an error", name, got)
		}
	}
}

// TestFormat1 reads a block that was made when the format was: what was once signed must go on being verified. A change
// that breaks it is another format, beside this one.
func TestFormat1(t *testing.T) {
	raw, err := os.ReadFile("testdata/format1.json")
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		Event     json.RawMessage
		Hash      string
		Block     Block
		PublicKey []byte
	}
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	if got, err := HashEvent(kept.Event); err != nil || got != kept.Hash || got != kept.Block.Entries[0].Hash {
		t.Errorf("the event's hash: got %s, %v, want %s", got, err, kept.Hash)
	}
	key, err := x509.ParsePKIXPublicKey(kept.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if !kept.Block.Signed(key.(*ecdsa.PublicKey)) {
		t.Error("the block's signature does not hold")
	}
	hidden, err := kept.Block.Entries[0].Hide()
	if err != nil || !hidden.Hidden() {
		t.Fatalf("got %+v, %v", hidden, err)
	}
	kept.Block.Entries[0] = hidden
	if !kept.Block.Signed(key.(*ecdsa.PublicKey)) {
		t.Error("with an entry hidden it does not hold")
	}
}

func TestWhatIsNoBlock(t *testing.T) {
	leaf := strings.Repeat("ab", 32)
	good := Block{Format: Format, Number: 1, At: "2026-03-01T12:00:00.000Z", Previous: Genesis, KeyID: "k", Entries: []Entry{{Leaf: leaf}, {ID: "aud_1", Salt: "s", Hash: leaf}}}
	if _, err := good.Digest(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Block){
		"another format":     func(b *Block) { b.Format = 2 },
		"an entry of nobody": func(b *Block) { b.Entries = []Entry{{}} },
		"half a leaf":        func(b *Block) { b.Entries = []Entry{{Leaf: leaf[:10]}} },
		"a leaf of no hex":   func(b *Block) { b.Entries = []Entry{{Leaf: strings.Repeat("xy", 32)}} },
		"text of no UTF-8":   func(b *Block) { b.Entries = []Entry{{Leaf: leaf + "\xff"}} },
	} {
		b := good
		spoil(&b)
		if got, err := b.Digest(); err == nil {
			t.Errorf("%s: got %x, want an error", name, got)
		}
	}
	first, _ := good.Digest()
	for name, change := range map[string]func(*Block){
		"number":   func(b *Block) { b.Number = 2 },
		"at":       func(b *Block) { b.At = "2026-03-01T12:00:00.001Z" },
		"previous": func(b *Block) { b.Previous = leaf },
		"keyId":    func(b *Block) { b.KeyID = "l" },
		"order":    func(b *Block) { b.Entries = []Entry{b.Entries[1], b.Entries[0]} },
		"salt":     func(b *Block) { b.Entries = []Entry{b.Entries[0], {ID: "aud_1", Salt: "t", Hash: leaf}} },
		"id":       func(b *Block) { b.Entries = []Entry{b.Entries[0], {ID: "aud_2", Salt: "s", Hash: leaf}} },
		"fewer":    func(b *Block) { b.Entries = b.Entries[:1] },
	} {
		b := good
		change(&b)
		if got, err := b.Digest(); err != nil || got == first {
			t.Errorf("%s: another one has the same hash, %v", name, err)
		}
	}
}

func FuzzHashEvent(f *testing.F) {
	f.Add([]byte(`{"id":"aud_1","detail":{"n":1e3}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		hash, err := HashEvent(raw)
		if err != nil {
			return
		}
		canonical, err := Canonical(raw)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := HashEvent(canonical); err != nil || again != hash {
			t.Errorf("%s: its canonical form has another hash: %s, %v, want %s", raw, again, err, hash)
		}
	})
}
