package segment

import (
	"encoding/binary"
	"unsafe"
)

// unpack sets dst, whose length is a multiple of 8, to packed values plus least. The size
// of W is their width in bits, known to the compiler: so the places of 8 values, which take
// as many bytes as each has bits, are constants.
func unpack[W any](dst []uint64, p []byte, least uint64) {
	w := int(unsafe.Sizeof(*new(W)))
	mask := uint64(1)<<w - 1
	for ; len(dst) >= 8; dst, p = dst[8:], p[w:] {
		d, p := (*[8]uint64)(dst), p[:w+padding:w+padding]
		d[0] = binary.LittleEndian.Uint64(p)&mask + least
		d[1] = binary.LittleEndian.Uint64(p[w/8:])>>(w%8)&mask + least
		d[2] = binary.LittleEndian.Uint64(p[2*w/8:])>>(2*w%8)&mask + least
		d[3] = binary.LittleEndian.Uint64(p[3*w/8:])>>(3*w%8)&mask + least
		d[4] = binary.LittleEndian.Uint64(p[4*w/8:])>>(4*w%8)&mask + least
		d[5] = binary.LittleEndian.Uint64(p[5*w/8:])>>(5*w%8)&mask + least
		d[6] = binary.LittleEndian.Uint64(p[6*w/8:])>>(6*w%8)&mask + least
		d[7] = binary.LittleEndian.Uint64(p[7*w/8:])>>(7*w%8)&mask + least
	}
}

// unpackers are unpack by width.
var unpackers = [wide]func(dst []uint64, p []byte, least uint64){
	1: unpack[[1]byte], unpack[[2]byte], unpack[[3]byte], unpack[[4]byte], unpack[[5]byte], unpack[[6]byte], unpack[[7]byte], unpack[[8]byte],
	9: unpack[[9]byte], unpack[[10]byte], unpack[[11]byte], unpack[[12]byte], unpack[[13]byte], unpack[[14]byte], unpack[[15]byte], unpack[[16]byte],
	17: unpack[[17]byte], unpack[[18]byte], unpack[[19]byte], unpack[[20]byte], unpack[[21]byte], unpack[[22]byte], unpack[[23]byte], unpack[[24]byte],
	25: unpack[[25]byte], unpack[[26]byte], unpack[[27]byte], unpack[[28]byte], unpack[[29]byte], unpack[[30]byte], unpack[[31]byte], unpack[[32]byte],
	33: unpack[[33]byte], unpack[[34]byte], unpack[[35]byte], unpack[[36]byte], unpack[[37]byte], unpack[[38]byte], unpack[[39]byte], unpack[[40]byte],
	41: unpack[[41]byte], unpack[[42]byte], unpack[[43]byte], unpack[[44]byte], unpack[[45]byte], unpack[[46]byte], unpack[[47]byte], unpack[[48]byte],
	49: unpack[[49]byte], unpack[[50]byte], unpack[[51]byte], unpack[[52]byte], unpack[[53]byte], unpack[[54]byte], unpack[[55]byte], unpack[[56]byte],
}

// unpack sets dst to integers in bits, from one on.
func (x *integers) unpack(dst []uint64, from int) {
	head := min(-from&7, len(dst))
	tail := head + (len(dst)-head)&^7
	for i := range head {
		dst[i] = x.at(from + i)
	}
	if head < tail {
		unpackers[x.width](dst[head:tail], x.bits[(from+head)/8*x.width:], x.least)
	}
	for i := tail; i < len(dst); i++ {
		dst[i] = x.at(from + i)
	}
}
