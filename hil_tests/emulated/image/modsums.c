// The modules binascii, hashlib and cryptolib, as far as firmware and tools use them: CRC-32, SHA-256 (FIPS 180-4) and AES-128 by
// ECB and CBC (FIPS 197, SP 800-38A), encryption only. On a board mbedtls and the chip do this; what is counted here is this C code.

#include <string.h>

#include "py/binary.h"
#include "py/objstr.h"
#include "py/runtime.h"

// binascii

static mp_obj_t binascii_crc32(size_t n_args, const mp_obj_t *args) {
    static uint32_t table[256];
    if (table[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++) {
                c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
            }
            table[i] = c;
        }
    }
    mp_buffer_info_t in;
    mp_get_buffer_raise(args[0], &in, MP_BUFFER_READ);
    uint32_t crc = ~(n_args > 1 ? mp_obj_get_int_truncated(args[1]) : 0);
    for (size_t i = 0; i < in.len; i++) {
        crc = crc >> 8 ^ table[(crc ^ ((byte *)in.buf)[i]) & 255];
    }
    return mp_obj_new_int_from_uint(~crc);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(binascii_crc32_obj, 1, 2, binascii_crc32);

static mp_obj_t binascii_hexlify(mp_obj_t data) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(data, &in, MP_BUFFER_READ);
    vstr_t out;
    vstr_init_len(&out, in.len * 2);
    for (size_t i = 0; i < in.len * 2; i++) {
        out.buf[i] = "0123456789abcdef"[((byte *)in.buf)[i / 2] >> (i & 1 ? 0 : 4) & 15];
    }
    return mp_obj_new_bytes_from_vstr(&out);
}
static MP_DEFINE_CONST_FUN_OBJ_1(binascii_hexlify_obj, binascii_hexlify);

static mp_obj_t binascii_unhexlify(mp_obj_t data) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(data, &in, MP_BUFFER_READ);
    vstr_t out;
    vstr_init_len(&out, in.len / 2);
    if (in.len & 1) {
        mp_raise_ValueError(MP_ERROR_TEXT("odd-length string"));
    }
    for (size_t i = 0; i < in.len; i++) {
        char c = ((char *)in.buf)[i];
        if (!unichar_isxdigit(c)) {
            mp_raise_ValueError(MP_ERROR_TEXT("non-hex digit found"));
        }
        out.buf[i / 2] = out.buf[i / 2] << 4 | unichar_xdigit_value(c);
    }
    return mp_obj_new_bytes_from_vstr(&out);
}
static MP_DEFINE_CONST_FUN_OBJ_1(binascii_unhexlify_obj, binascii_unhexlify);

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static mp_obj_t binascii_a2b_base64(mp_obj_t data) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(data, &in, MP_BUFFER_READ);
    vstr_t out;
    vstr_init(&out, in.len / 4 * 3 + 1);
    uint32_t bits = 0;
    int n = 0;
    for (size_t i = 0; i < in.len; i++) {
        const char *at = ((char *)in.buf)[i] ? strchr(base64, ((char *)in.buf)[i]) : NULL;
        if (at != NULL) {
            bits = bits << 6 | (at - base64);
            n += 6;
            if (n >= 8) {
                n -= 8;
                vstr_add_byte(&out, bits >> n & 0xff);
            }
        }
    }
    return mp_obj_new_bytes_from_vstr(&out);
}
static MP_DEFINE_CONST_FUN_OBJ_1(binascii_a2b_base64_obj, binascii_a2b_base64);

static mp_obj_t binascii_b2a_base64(mp_obj_t data) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(data, &in, MP_BUFFER_READ);
    vstr_t out;
    vstr_init(&out, in.len / 3 * 4 + 5);
    for (size_t i = 0; i < in.len; i += 3) {
        const uint8_t *p = (uint8_t *)in.buf + i;
        size_t n = in.len - i;
        uint32_t bits = p[0] << 16 | (n > 1 ? p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
        vstr_add_byte(&out, base64[bits >> 18]);
        vstr_add_byte(&out, base64[bits >> 12 & 63]);
        vstr_add_byte(&out, n > 1 ? base64[bits >> 6 & 63] : '=');
        vstr_add_byte(&out, n > 2 ? base64[bits & 63] : '=');
    }
    vstr_add_byte(&out, '\n');
    return mp_obj_new_bytes_from_vstr(&out);
}
static MP_DEFINE_CONST_FUN_OBJ_1(binascii_b2a_base64_obj, binascii_b2a_base64);

static const mp_rom_map_elem_t binascii_table[] = {
    { MP_ROM_QSTR(MP_QSTR_a2b_base64), MP_ROM_PTR(&binascii_a2b_base64_obj) },
    { MP_ROM_QSTR(MP_QSTR_b2a_base64), MP_ROM_PTR(&binascii_b2a_base64_obj) },
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_binascii) },
    { MP_ROM_QSTR(MP_QSTR_crc32), MP_ROM_PTR(&binascii_crc32_obj) },
    { MP_ROM_QSTR(MP_QSTR_hexlify), MP_ROM_PTR(&binascii_hexlify_obj) },
    { MP_ROM_QSTR(MP_QSTR_unhexlify), MP_ROM_PTR(&binascii_unhexlify_obj) },
};
static MP_DEFINE_CONST_DICT(binascii_globals, binascii_table);
const mp_obj_module_t binascii_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&binascii_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_binascii, binascii_module);

// hashlib

typedef struct {
    mp_obj_base_t base;
    uint32_t h[8];
    uint64_t length;
    uint8_t block[64];
} sha256_t;

static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))

static void sha256_block(uint32_t *h, const uint8_t *p) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (ROR(a, 7) ^ ROR(a, 18) ^ a >> 3) + w[i - 7] + (ROR(b, 17) ^ ROR(b, 19) ^ b >> 10);
    }
    memcpy(v, h, 32);
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t = v[7] + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + sha256_k[i] + w[i];
        uint32_t u = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 28);
        v[4] += t;
        v[0] = t + u;
    }
    for (int i = 0; i < 8; i++) {
        h[i] += v[i];
    }
}

static void sha256_feed(sha256_t *self, const uint8_t *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        self->block[self->length++ & 63] = data[i];
        if ((self->length & 63) == 0) {
            sha256_block(self->h, self->block);
        }
    }
}

static mp_obj_t sha256_update(mp_obj_t self_in, mp_obj_t data) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(data, &in, MP_BUFFER_READ);
    sha256_feed(MP_OBJ_TO_PTR(self_in), in.buf, in.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(sha256_update_obj, sha256_update);

static mp_obj_t sha256_digest(mp_obj_t self_in) {
    sha256_t end = *(sha256_t *)MP_OBJ_TO_PTR(self_in);
    uint64_t bits = end.length * 8;
    uint8_t tail = 0x80;
    do {
        sha256_feed(&end, &tail, 1);
        tail = 0;
    } while ((end.length & 63) != 56);
    for (int i = 56; i >= 0; i -= 8) {
        uint8_t byte = bits >> i;
        sha256_feed(&end, &byte, 1);
    }
    byte out[32];
    for (int i = 0; i < 32; i++) {
        out[i] = end.h[i / 4] >> (24 - i % 4 * 8);
    }
    return mp_obj_new_bytes(out, 32);
}
static MP_DEFINE_CONST_FUN_OBJ_1(sha256_digest_obj, sha256_digest);

static mp_obj_t sha256_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    sha256_t *self = mp_obj_malloc(sha256_t, type);
    memcpy(self->h, start, 32);
    self->length = 0;
    if (n_args) {
        sha256_update(MP_OBJ_FROM_PTR(self), args[0]);
    }
    return MP_OBJ_FROM_PTR(self);
}

static const mp_rom_map_elem_t sha256_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_update), MP_ROM_PTR(&sha256_update_obj) },
    { MP_ROM_QSTR(MP_QSTR_digest), MP_ROM_PTR(&sha256_digest_obj) },
};
static MP_DEFINE_CONST_DICT(sha256_locals, sha256_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(sha256_type, MP_QSTR_sha256, MP_TYPE_FLAG_NONE, make_new, sha256_new, locals_dict, &sha256_locals);

static const mp_rom_map_elem_t hashlib_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_hashlib) },
    { MP_ROM_QSTR(MP_QSTR_sha256), MP_ROM_PTR(&sha256_type) },
};
static MP_DEFINE_CONST_DICT(hashlib_globals, hashlib_table);
const mp_obj_module_t hashlib_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&hashlib_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_hashlib, hashlib_module);

// cryptolib

typedef struct {
    mp_obj_base_t base;
    bool chained;
    uint8_t chain[16];
    uint8_t round_keys[176];
} aes_t;

static uint8_t sbox[256];

static uint8_t times_2(uint8_t x) {
    return x << 1 ^ (x & 0x80 ? 0x1b : 0);
}

static void make_sbox(void) {
    // p runs through the powers of 3, q through their inverses; then the affine map of FIPS 197, 5.1.1.
    uint8_t p = 1, q = 1;
    do {
        p ^= times_2(p);
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        if (q & 0x80) {
            q ^= 0x09;
        }
        sbox[p] = q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4) ^ 0x63;
    } while (p != 1);
    sbox[0] = 0x63;
}

static void expand_key(uint8_t *w, const uint8_t *key) {
    uint8_t rcon = 1;
    memcpy(w, key, 16);
    for (int i = 16; i < 176; i += 4) {
        uint8_t t[4] = {w[i - 4], w[i - 3], w[i - 2], w[i - 1]};
        if (i % 16 == 0) {
            uint8_t first = t[0];
            t[0] = sbox[t[1]] ^ rcon;
            t[1] = sbox[t[2]];
            t[2] = sbox[t[3]];
            t[3] = sbox[first];
            rcon = times_2(rcon);
        }
        for (int k = 0; k < 4; k++) {
            w[i + k] = w[i + k - 16] ^ t[k];
        }
    }
}

static void encrypt_block(const uint8_t *keys, uint8_t *s) {
    for (int i = 0; i < 16; i++) {
        s[i] ^= keys[i];
    }
    for (int round = 1; round <= 10; round++) {
        uint8_t t[16];
        for (int i = 0; i < 16; i++) { // SubBytes and ShiftRows
            t[i] = sbox[s[(i + i % 4 * 4) % 16]];
        }
        keys += 16;
        for (int c = 0; c < 16; c += 4) {
            uint8_t all = t[c] ^ t[c + 1] ^ t[c + 2] ^ t[c + 3];
            for (int i = 0; i < 4; i++) {
                uint8_t x = t[c + i];
                if (round < 10) { // MixColumns
                    x ^= all ^ times_2(x ^ t[c + (i + 1) % 4]);
                }
                s[c + i] = x ^ keys[c + i];
            }
        }
    }
}

static mp_obj_t aes_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 2, 3, false);
    mp_buffer_info_t key, iv;
    mp_get_buffer_raise(args[0], &key, MP_BUFFER_READ);
    mp_int_t mode = mp_obj_get_int(args[1]);
    if (key.len != 16 || (mode != 1 && mode != 2) || (mode == 2) != (n_args == 3)) {
        mp_raise_ValueError(MP_ERROR_TEXT("AES-128 by ECB (1) or CBC (2, with an IV) only"));
    }
    aes_t *self = mp_obj_malloc(aes_t, type);
    self->chained = mode == 2;
    if (self->chained) {
        mp_get_buffer_raise(args[2], &iv, MP_BUFFER_READ);
        if (iv.len != 16) {
            mp_raise_ValueError(MP_ERROR_TEXT("IV"));
        }
        memcpy(self->chain, iv.buf, 16);
    }
    if (sbox[0] == 0) {
        make_sbox();
    }
    expand_key(self->round_keys, key.buf);
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t aes_encrypt(size_t n_args, const mp_obj_t *args) {
    aes_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t in, out;
    vstr_t made;
    mp_get_buffer_raise(args[1], &in, MP_BUFFER_READ);
    if (n_args > 2) {
        mp_get_buffer_raise(args[2], &out, MP_BUFFER_WRITE);
    } else {
        vstr_init_len(&made, in.len);
        out.buf = made.buf;
        out.len = in.len;
    }
    if (in.len % 16 || out.len < in.len) {
        mp_raise_ValueError(MP_ERROR_TEXT("blksize % 16"));
    }
    for (size_t i = 0; i < in.len; i += 16) {
        uint8_t s[16];
        memcpy(s, (uint8_t *)in.buf + i, 16);
        if (self->chained) {
            for (int k = 0; k < 16; k++) {
                s[k] ^= self->chain[k];
            }
        }
        encrypt_block(self->round_keys, s);
        memcpy(self->chain, s, 16);
        memcpy((uint8_t *)out.buf + i, s, 16);
    }
    return n_args > 2 ? args[2] : mp_obj_new_bytes_from_vstr(&made);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(aes_encrypt_obj, 2, 3, aes_encrypt);

static const mp_rom_map_elem_t aes_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_encrypt), MP_ROM_PTR(&aes_encrypt_obj) },
};
static MP_DEFINE_CONST_DICT(aes_locals, aes_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(aes_type, MP_QSTR_aes, MP_TYPE_FLAG_NONE, make_new, aes_new, locals_dict, &aes_locals);

static const mp_rom_map_elem_t cryptolib_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_cryptolib) },
    { MP_ROM_QSTR(MP_QSTR_aes), MP_ROM_PTR(&aes_type) },
};
static MP_DEFINE_CONST_DICT(cryptolib_globals, cryptolib_table);
const mp_obj_module_t cryptolib_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&cryptolib_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_cryptolib, cryptolib_module);
