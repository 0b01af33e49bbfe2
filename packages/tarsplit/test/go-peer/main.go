// Command go-peer takes tars apart and puts them together with the Go implementation of tar-split.
//
// On its standard input it reads messages, on its standard output it answers each. A message is a
// list of strings of bytes: their count, then each with its length, all numbers in 32 bits,
// big-endian.
//
//	["disassemble", tar]                            -> [error, record]
//	["assemble", record, name, payload, name, ...]  -> [error, tar, opened name, ...]
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"os"

	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

func main() {
	// All of it first: some runtimes write all input before they read any output.
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	in := bytes.NewReader(input)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		message, err := readMessage(in)
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(err)
		}
		switch op := string(message[0]); op {
		case "disassemble":
			record, err := disassemble(message[1])
			writeMessage(out, text(err), record)
		case "assemble":
			files := &getter{payloads: map[string][]byte{}}
			for i := 2; i < len(message); i += 2 {
				files.payloads[string(message[i])] = message[i+1]
			}
			tar, err := assemble(message[1], files)
			writeMessage(out, append([][]byte{text(err), tar}, files.opened...)...)
		default:
			panic("unknown operation " + op)
		}
	}
}

func disassemble(tar []byte) ([]byte, error) {
	var record bytes.Buffer
	packer := storage.NewJSONPacker(&record)
	stream, done, err := asm.NewInputTarStreamWithDone(bytes.NewReader(tar), packer, putter{})
	if err != nil {
		return nil, err
	}
	_, copyErr := io.Copy(io.Discard, stream)
	if err := <-done; err != nil {
		return nil, err
	}
	return record.Bytes(), copyErr
}

// putter gives up on sparse files that would take minutes to expand.
type putter struct{}

const mostPayload = 16 << 20

func (putter) Put(name string, input io.Reader) (int64, []byte, error) {
	sum := crc64.New(storage.CRCTable)
	n, err := io.Copy(sum, io.LimitReader(input, mostPayload+1))
	if n > mostPayload {
		return 0, nil, fmt.Errorf("payload of %q is too large", name)
	}
	return n, sum.Sum(nil), err
}

func assemble(record []byte, files *getter) ([]byte, error) {
	var tar bytes.Buffer
	err := asm.WriteOutputTarStream(files, storage.NewJSONUnpacker(bytes.NewReader(record)), &tar)
	return tar.Bytes(), err
}

type getter struct {
	payloads map[string][]byte
	opened   [][]byte
}

func (g *getter) Get(name string) (io.ReadCloser, error) {
	g.opened = append(g.opened, []byte(name))
	payload, ok := g.payloads[name]
	if !ok {
		return nil, fmt.Errorf("no payload %q", name)
	}
	return io.NopCloser(bytes.NewReader(payload)), nil
}

func text(err error) []byte {
	if err == nil {
		return nil
	}
	return []byte(err.Error())
}

func readMessage(in io.Reader) ([][]byte, error) {
	var count, length uint32
	if err := binary.Read(in, binary.BigEndian, &count); err != nil {
		return nil, err
	}
	parts := make([][]byte, count)
	for i := range parts {
		if err := binary.Read(in, binary.BigEndian, &length); err != nil {
			return nil, err
		}
		parts[i] = make([]byte, length)
		if _, err := io.ReadFull(in, parts[i]); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func writeMessage(out io.Writer, parts ...[]byte) {
	binary.Write(out, binary.BigEndian, uint32(len(parts)))
	for _, part := range parts {
		binary.Write(out, binary.BigEndian, uint32(len(part)))
		out.Write(part)
	}
}
