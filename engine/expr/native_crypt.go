package expr

import (
	"bytes"
	"compress/zlib"
	"crypto/aes"
	"encoding/binary"
	"io"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func cryptNatives() map[string]*native {
	one := []types.Type{types.BytesType}
	return map[string]*native{
		"aes_encrypt":         {args: one, result: types.BytesType, eval: aesEncrypt},
		"aes_decrypt":         {args: one, result: types.BytesType, eval: aesDecrypt},
		"compress":            {args: one, result: types.BytesType, eval: compress},
		"uncompress":          {args: one, result: types.BytesType, eval: uncompress},
		"uncompressed_length": {args: one, result: types.Int64Type, eval: uncompressedLength},
	}
}

// aesKey folds a key of any length into one of AES-128.
func aesKey(key []byte) []byte {
	out := make([]byte, 16)
	for i, b := range key {
		out[i%len(out)] ^= b
	}
	return out
}

// aesEncrypt is AES-128 in ECB mode, filled up as PKCS #7 has it: MySQL's default
// block_encryption_mode, the only one here.
func aesEncrypt(c *nativeCall) (types.Value, error) {
	block, err := aes.NewCipher(aesKey(c.args[1].Bytes()))
	if err != nil {
		return types.Value{}, err
	}
	n := aes.BlockSize - len(c.args[0].Bytes())%aes.BlockSize
	out := append(bytes.Clone(c.args[0].Bytes()), bytes.Repeat([]byte{byte(n)}, n)...)
	for i := 0; i < len(out); i += aes.BlockSize {
		block.Encrypt(out[i:], out[i:])
	}
	return types.NewBytes(out), nil
}

func aesDecrypt(c *nativeCall) (types.Value, error) {
	block, err := aes.NewCipher(aesKey(c.args[1].Bytes()))
	if err != nil {
		return types.Value{}, err
	}
	out := bytes.Clone(c.args[0].Bytes())
	if len(out) == 0 || len(out)%aes.BlockSize != 0 {
		return types.Value{}, nil
	}
	for i := 0; i < len(out); i += aes.BlockSize {
		block.Decrypt(out[i:], out[i:])
	}
	n := int(out[len(out)-1])
	if n == 0 || n > aes.BlockSize || !bytes.Equal(out[len(out)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return types.Value{}, nil
	}
	return types.NewBytes(out[:len(out)-n]), nil
}

// compress is COMPRESS: the length in four bytes, and zlib's stream, with a point after
// it where its end would be lost as a space.
func compress(c *nativeCall) (types.Value, error) {
	text := c.args[0].Bytes()
	if len(text) == 0 {
		return types.NewBytes(nil), nil
	}
	var out bytes.Buffer
	out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(text))&0x3fffffff))
	w := zlib.NewWriter(&out)
	_, _ = w.Write(text) // a Buffer takes all
	_ = w.Close()
	if b := out.Bytes(); b[len(b)-1] == ' ' {
		out.WriteByte('.')
	}
	return types.NewBytes(out.Bytes()), nil
}

func uncompress(c *nativeCall) (types.Value, error) {
	b := c.args[0].Bytes()
	if len(b) == 0 {
		return types.NewBytes(nil), nil
	}
	corrupted := func() (types.Value, error) {
		c.ev.warn(sqlerr.CorruptedZlib.New("ZLIB: Input data corrupted"))
		return types.Value{}, nil
	}
	if len(b) <= 4 {
		return corrupted()
	}
	size := int64(binary.LittleEndian.Uint32(b) & 0x3fffffff)
	if size > MaxPacket {
		c.ev.warn(sqlerr.ZlibTooLarge.New("Uncompressed data size too large; the maximum size is %d (probably, length of uncompressed data was corrupted)", MaxPacket))
		return types.Value{}, nil
	}
	r, err := zlib.NewReader(bytes.NewReader(b[4:]))
	if err != nil {
		return corrupted()
	}
	out, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil || int64(len(out)) > size {
		return corrupted()
	}
	return types.NewBytes(out), nil
}

func uncompressedLength(c *nativeCall) (types.Value, error) {
	b := c.args[0].Bytes()
	if len(b) <= 4 {
		if len(b) > 0 {
			c.ev.warn(sqlerr.CorruptedZlib.New("ZLIB: Input data corrupted"))
		}
		return types.NewInt(0), nil
	}
	return types.NewInt(int64(binary.LittleEndian.Uint32(b) & 0x3fffffff)), nil
}
