package gateway

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// framed takes over a connection on which no frame of the client's is larger than API Gateway takes. The library beneath
// sees messages alone.
type framed struct{ http.ResponseWriter }

func (f *framed) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// Hijack implements http.Hijacker.
func (f *framed) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(f.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	ahead, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	w := &frameConn{Conn: conn, ahead: append([]byte(nil), ahead...)}
	return w, bufio.NewReadWriter(bufio.NewReader(w), bufio.NewWriter(w)), nil
}

// frameConn looks at the heads of the frames that pass.
type frameConn struct {
	net.Conn
	ahead []byte // read before it was taken over

	head []byte // of the frame that begins, as far as it came
	left uint64 // bytes of the frame that are still to pass

	writing sync.Mutex
}

// tooBig is a close frame with the code 1009, as a server sends it.
var tooBig = []byte{0x88, 2, 0x03, 0xf1}

func (c *frameConn) Read(p []byte) (int, error) {
	n, err := 0, error(nil)
	if len(c.ahead) > 0 {
		n = copy(p, c.ahead)
		c.ahead = c.ahead[n:]
	} else {
		n, err = c.Conn.Read(p)
	}
	if !c.pass(p[:n]) {
		c.writing.Lock()
		_, _ = c.Conn.Write(tooBig) // who sends too much may have gone
		c.writing.Unlock()
		return 0, io.EOF
	}
	return n, err
}

func (c *frameConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.Conn.Write(p)
}

// pass follows the frames, and tells whether they are all small enough.
func (c *frameConn) pass(p []byte) bool {
	for len(p) > 0 {
		if c.left > 0 {
			n := min(c.left, uint64(len(p)))
			c.left, p = c.left-n, p[n:]
			continue
		}
		c.head, p = append(c.head, p[0]), p[1:]
		if len(c.head) < 2 {
			continue
		}
		size, more := uint64(c.head[1]&0x7f), 0
		switch size {
		case 126:
			more = 2
		case 127:
			more = 8
		}
		if len(c.head) < 2+more {
			continue
		}
		switch more {
		case 2:
			size = uint64(binary.BigEndian.Uint16(c.head[2:]))
		case 8:
			size = binary.BigEndian.Uint64(c.head[2:])
		}
		if size > maxFrame {
			return false
		}
		if c.left = size; c.head[1]&0x80 != 0 {
			c.left += 4 // the mask, which a client's frames have
		}
		c.head = c.head[:0]
	}
	return true
}
