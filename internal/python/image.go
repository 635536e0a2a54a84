package python

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
)

// image is an ELF object as it lies in the memory of the process. Stripped
// files, deleted files and other mount namespaces make no difference to it:
// the table of exported symbols is needed at run time, so it is always there.
type image struct {
	memory *memory
	path   string
	bias   uint64 // what is added to the addresses in the file
	// The tables of the dynamic section (DT_SYMTAB, DT_STRTAB, DT_GNU_HASH).
	symbols, names, hash uint64
}

const (
	mostHeaders = 64
	mostDynamic = 4096 // bytes
)

// open reads the headers of the object mapped at base. The section headers
// are not in memory, so they are taken out before debug/elf sees the rest.
func open(m *memory, base uint64, path string) (*image, error) {
	header := m.bytes(base, 64, 64)
	if err := m.trouble(); err != nil {
		return nil, err
	}
	if string(header[:4]) != elf.ELFMAG || header[elf.EI_CLASS] != byte(elf.ELFCLASS64) || header[elf.EI_DATA] != byte(elf.ELFDATA2LSB) {
		return nil, fmt.Errorf("%s: not a 64-bit little-endian program: %w", path, ErrNone)
	}
	const offsetOfSections, numberOfHeaders, numberOfSections = 40, 56, 60
	if binary.LittleEndian.Uint16(header[numberOfHeaders:]) > mostHeaders {
		return nil, fmt.Errorf("%s: too many program headers: %w", path, errTorn)
	}
	clear(header[offsetOfSections : offsetOfSections+8])
	clear(header[numberOfSections : numberOfSections+4]) // and e_shstrndx
	file, err := elf.NewFile(&overlay{memory: m, base: base, head: header})
	if err := m.trouble(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	i := &image{memory: m, path: path}
	return i, i.findTables(file, base)
}

// findTables reads the dynamic section. glibc puts absolute addresses there
// when it loads the object, musl leaves those of the file.
func (i *image) findTables(file *elf.File, base uint64) error {
	first, dynamic, size := true, uint64(0), uint64(0)
	for _, p := range file.Progs {
		switch {
		case p.Type == elf.PT_LOAD && first:
			i.bias, first = base-(p.Vaddr&^(page-1)), false
		case p.Type == elf.PT_DYNAMIC:
			dynamic, size = p.Vaddr, p.Filesz
		}
	}
	if dynamic == 0 {
		return fmt.Errorf("%s: no dynamic section: %w", i.path, ErrNone)
	}
	text := i.memory.bytes(i.bias+dynamic, min(size, mostDynamic), mostDynamic)
	for len(text) >= 16 {
		tag, value := elf.DynTag(binary.LittleEndian.Uint64(text)), binary.LittleEndian.Uint64(text[8:])
		text = text[16:]
		if value < i.bias {
			value += i.bias
		}
		switch tag {
		case elf.DT_NULL:
			text = nil
		case elf.DT_STRTAB:
			i.names = value
		case elf.DT_SYMTAB:
			i.symbols = value
		case elf.DT_GNU_HASH:
			i.hash = value
		}
	}
	if err := i.memory.trouble(); err != nil {
		return err
	}
	if i.symbols == 0 || i.names == 0 || i.hash == 0 {
		return fmt.Errorf("%s: no table of exported symbols: %w", i.path, ErrNone)
	}
	return nil
}

// symbol returns the address of an exported symbol, 0 if there is none. It
// reads the object's own GNU hash table the way a dynamic linker does: a
// filter, the chain of a bucket, and then the name itself (glibc,
// elf/dl-lookup.c, do_lookup_x).
func (i *image) symbol(name string) uint64 {
	hash := uint32(5381)
	for at := range len(name) {
		hash = hash*33 + uint32(name[at])
	}
	m := i.memory
	defer m.trouble()
	buckets, first := m.half(i.hash), m.half(i.hash+4)
	words, shift := m.half(i.hash+8), m.half(i.hash+12)
	if buckets == 0 || words == 0 {
		return 0
	}
	filter := m.word(i.hash + 16 + uint64(hash/64%words)*8)
	if filter>>(hash%64)&1 == 0 || filter>>(hash>>(shift&31)%64)&1 == 0 {
		return 0
	}
	bucket := i.hash + 16 + uint64(words)*8
	number := m.half(bucket + uint64(hash%buckets)*4)
	chains := bucket + uint64(buckets)*4
	const longest = 4096
	for range longest {
		if m.wrong != nil || number < first {
			return 0
		}
		link := m.half(chains + uint64(number-first)*4)
		if link|1 == hash|1 {
			if address := i.named(number, name); address != 0 {
				return address
			}
		}
		if link&1 != 0 {
			return 0
		}
		number++
	}
	return 0
}

// named returns the address of one symbol if it is defined here under that name.
func (i *image) named(number uint32, name string) uint64 {
	entry := i.symbols + uint64(number)*elf.Sym64Size
	defined := elf.SectionIndex(uint16(i.memory.half(entry+4)>>16)) != elf.SHN_UNDEF
	if !defined || i.memory.text(i.names+uint64(i.memory.half(entry)), len(name)+1) != name {
		return 0
	}
	return i.bias + i.memory.word(entry+8)
}

// overlay shows an object in memory as a file whose header was changed.
type overlay struct {
	memory *memory
	base   uint64
	head   []byte
}

// ReadAt implements io.ReaderAt.
func (o *overlay) ReadAt(into []byte, offset int64) (int, error) {
	if offset < 0 || offset > 1<<32 {
		return 0, io.EOF
	}
	o.memory.read(o.base+uint64(offset), into)
	if o.memory.wrong != nil {
		return 0, o.memory.wrong
	}
	if offset < int64(len(o.head)) {
		copy(into, o.head[offset:])
	}
	return len(into), nil
}
