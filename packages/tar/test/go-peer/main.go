// Command go-peer reads and writes tar headers with Go's archive/tar.
//
//	read < TAR      prints a line of JSON for each entry, and the error, if any
//	write < LINES   reads headers as JSON lines and prints each one's blocks in base64
//
// Names and the like, being bytes, are hexadecimal.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"time"

	"archive/tar"
)

type header struct {
	Typeflag           int
	Name, Linkname     string
	Uname, Gname       string
	Mode, Size         int64
	UID, GID           int
	Mtime              int64
	MtimeNsec          int
	Devmajor, Devminor int64
	Xattrs             map[string]string
	Sum                uint32
}

func main() {
	// All of it first: some runtimes write all input before they read any output.
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	if os.Args[1] == "read" {
		read(bytes.NewReader(input))
	} else {
		write(bytes.NewReader(input))
	}
}

func read(input io.Reader) {
	in := tar.NewReader(input)
	out := json.NewEncoder(os.Stdout)
	for {
		h, err := in.Next()
		if err == nil {
			sum := crc32.NewIEEE()
			if _, err = io.Copy(sum, in); err == nil {
				out.Encode(fromGo(h, sum.Sum32()))
				continue
			}
		}
		if err != io.EOF {
			fmt.Printf("%q\n", err.Error())
		}
		return
	}
}

func fromGo(h *tar.Header, sum uint32) header {
	r := header{
		Typeflag: int(h.Typeflag), Name: toHex(h.Name), Linkname: toHex(h.Linkname),
		Uname: toHex(h.Uname), Gname: toHex(h.Gname), Mode: h.Mode, Size: h.Size,
		UID: h.Uid, GID: h.Gid, Devmajor: h.Devmajor, Devminor: h.Devminor,
		Xattrs: map[string]string{}, Sum: sum,
	}
	if h.Typeflag != tar.TypeXGlobalHeader {
		r.Mtime, r.MtimeNsec = h.ModTime.Unix(), h.ModTime.Nanosecond()
		for key, value := range h.PAXRecords {
			if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
				r.Xattrs[toHex(name)] = toHex(value)
			}
		}
	}
	return r
}

func write(input io.Reader) {
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var h header
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			panic(err)
		}
		var blocks bytes.Buffer
		if err := tar.NewWriter(&blocks).WriteHeader(toGo(h)); err != nil {
			fmt.Println("error")
			continue
		}
		fmt.Println(base64.StdEncoding.EncodeToString(blocks.Bytes()))
	}
}

func toGo(h header) *tar.Header {
	records := map[string]string{}
	for name, value := range h.Xattrs {
		records["SCHILY.xattr."+fromHex(name)] = fromHex(value)
	}
	return &tar.Header{
		Typeflag: byte(h.Typeflag), Name: fromHex(h.Name), Linkname: fromHex(h.Linkname),
		Uname: fromHex(h.Uname), Gname: fromHex(h.Gname), Mode: h.Mode, Size: h.Size,
		Uid: h.UID, Gid: h.GID, ModTime: time.Unix(h.Mtime, 0), Devmajor: h.Devmajor,
		Devminor: h.Devminor, PAXRecords: records, Format: tar.FormatPAX,
	}
}

func toHex(text string) string { return hex.EncodeToString([]byte(text)) }

func fromHex(text string) string {
	raw, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
