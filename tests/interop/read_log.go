// SPDX-License-Identifier: Apache-2.0

// Reads a log of detente from its folder with Go's own golang.org/x/mod/sumdb packages, nothing of ours.
//
//	read_log FOLDER LOG_KEY           the owner's log: its checkpoint must be signed by LOG_KEY
//
// Keys are written as sumdb/note writes them: name+hash+base64. It prints the root that it computed
// from the entries, and then proofs for the other side to check, a line each:
//
//	root HEX
//	record INDEX HASH...
//	tree OLD_SIZE HASH...
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	log.SetFlags(0)
	folder := os.Args[1]
	size, root := openCheckpoint(folder, os.Args[2])

	// The tree from the entries themselves.
	stored := &memory{}
	for n := int64(0); n < size; n++ {
		hashes, err := tlog.StoredHashes(n, entry(folder, n, size), stored)
		check(err)
		stored.hashes = append(stored.hashes, hashes...)
	}
	computed, err := tlog.TreeHash(size, stored)
	check(err)
	if computed != root {
		log.Fatalf("entries give %x, the checkpoint says %x", computed, root)
	}
	fmt.Printf("root %x\n", computed[:])

	// The same tree from the hash tiles; TileHashReader checks each against the signed root.
	tiles := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, &diskTiles{folder})
	for n := int64(0); n < size; n++ {
		proof, err := tlog.ProveRecord(size, n, tiles)
		check(err)
		check(tlog.CheckRecord(proof, size, root, n, tlog.RecordHash(entry(folder, n, size))))
		fmt.Printf("record %d%s\n", n, inHex(proof))
	}
	for old := int64(1); old <= size; old++ {
		proof, err := tlog.ProveTree(size, old, tiles)
		check(err)
		before, err := tlog.TreeHash(old, tiles)
		check(err)
		check(tlog.CheckTree(proof, size, root, old, before))
		fmt.Printf("tree %d%s\n", old, inHex(proof))
	}
}

func openCheckpoint(folder, key string) (int64, tlog.Hash) {
	raw, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	check(err)
	verifier, err := note.NewVerifier(key)
	check(err)
	opened, err := note.Open(raw, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		log.Fatalf("not a checkpoint: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	var root tlog.Hash
	if copy(root[:], hash) != tlog.HashSize {
		log.Fatal("root is not a hash")
	}
	return size, root
}

// entry returns entry n from its bundle, full or partial as the size says.
func entry(folder string, n, size int64) []byte {
	bundle, width := n/256, int64(256)
	name := fmt.Sprintf("%03d", bundle)
	if size-bundle*256 < 256 {
		width = size - bundle*256
		name = fmt.Sprintf("%s.p/%d", name, width)
	}
	raw, err := os.ReadFile(filepath.Join(folder, "tile", "entries", name))
	check(err)
	for i := int64(0); ; i++ {
		length := int(binary.BigEndian.Uint16(raw))
		if i == n%256 {
			return raw[2 : 2+length]
		}
		raw = raw[2+length:]
	}
}

// diskTiles reads tiles by the names of C2SP tlog-tiles, which leave the height out.
type diskTiles struct{ folder string }

func (*diskTiles) Height() int { return height }

func (d *diskTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		raw, err := os.ReadFile(filepath.Join(d.folder, path))
		if err != nil {
			return nil, err
		}
		data = append(data, raw)
	}
	return data, nil
}

func (*diskTiles) SaveTiles([]tlog.Tile, [][]byte) {}

// memory holds stored hashes in the order of tlog.StoredHashes.
type memory struct{ hashes []tlog.Hash }

func (m *memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, i := range indexes {
		found = append(found, m.hashes[i])
	}
	return found, nil
}

func inHex(hashes []tlog.Hash) string {
	var out strings.Builder
	for _, hash := range hashes {
		out.WriteString(" " + hex.EncodeToString(hash[:]))
	}
	return out.String()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
