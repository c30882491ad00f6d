// Checks a .tlog-proof with the Go project's own sumdb/note and sumdb/tlog, which knows nothing of
// Plumbline: check PROOF LOG-VKEY [WITNESS-NAME WITNESS-KEY-BASE64]. Prints the record; exits with 1
// and the reason where something does not hold.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func no(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// witness is a note.Verifier of tlog-cosignature v1.
type witness struct {
	name string
	key  ed25519.PublicKey
	time uint64
}

func (w *witness) Name() string { return w.name }

func (w *witness) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(w.name+"\n\x04"), w.key...))
	return binary.BigEndian.Uint32(sum[:])
}

func (w *witness) Verify(text, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	w.time = binary.BigEndian.Uint64(sig)
	signed := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", w.time)), text...)
	return ed25519.Verify(w.key, signed, sig[8:])
}

func main() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		no("%v", err)
	}
	parts := bytes.SplitN(data, []byte("\n\n"), 2)
	if len(parts) != 2 {
		no("no empty line")
	}
	lines := strings.Split(string(parts[0]), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") ||
		!strings.HasPrefix(lines[2], "index ") {
		no("not a proof with a record")
	}
	record, err := base64.StdEncoding.Strict().DecodeString(lines[1][len("extra "):])
	if err != nil {
		no("extra: %v", err)
	}
	index, err := strconv.ParseInt(lines[2][len("index "):], 10, 64)
	if err != nil {
		no("index: %v", err)
	}
	var path tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			no("path: %v", err)
		}
		path = append(path, hash)
	}

	log, err := note.NewVerifier(os.Args[2])
	if err != nil {
		no("vkey: %v", err)
	}
	known := []note.Verifier{log}
	var w *witness
	if len(os.Args) > 3 {
		key, err := base64.StdEncoding.DecodeString(os.Args[4])
		if err != nil {
			no("witness: %v", err)
		}
		w = &witness{name: os.Args[3], key: key}
		known = append(known, w)
	}
	opened, err := note.Open(parts[1], note.VerifierList(known...))
	if err != nil {
		no("checkpoint: %v", err)
	}
	if len(opened.Sigs) != len(known) {
		no("checkpoint: %d of %d known keys have signed", len(opened.Sigs), len(known))
	}
	head := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(head[1], 10, 64)
	if err != nil {
		no("size: %v", err)
	}
	root, err := tlog.ParseHash(head[2])
	if err != nil {
		no("root: %v", err)
	}
	if err := tlog.CheckRecord(path, size, root, index, tlog.RecordHash(record)); err != nil {
		no("path: %v", err)
	}
	if w != nil {
		fmt.Printf("%s %d %s %d\n%s\n", head[0], index, head[1], w.time, record)
	} else {
		fmt.Printf("%s %d %s\n%s\n", head[0], index, head[1], record)
	}
}
