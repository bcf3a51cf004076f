// The module json: dumps by MicroPython's own printing, loads by a parser of RFC 8259's grammar (depth limited by the stack check).

#include <string.h>

#include "py/cstack.h"
#include "py/objlist.h"
#include "py/objstr.h"
#include "py/parsenum.h"
#include "py/runtime.h"

typedef struct {
    const char *at, *end;
} text_t;

static NORETURN void wrong(void) {
    mp_raise_ValueError(MP_ERROR_TEXT("syntax error in JSON"));
}

static char next(text_t *t) {
    while (t->at < t->end && strchr(" \t\r\n", *t->at)) {
        t->at++;
    }
    if (t->at == t->end) {
        wrong();
    }
    return *t->at;
}

static mp_obj_t string(text_t *t) {
    vstr_t out;
    vstr_init(&out, 16);
    for (t->at++; t->at < t->end && *t->at != '"'; t->at++) {
        char c = *t->at;
        if (c == '\\') {
            static const char from[] = "bfnrt\"\\/", to[] = "\b\f\n\r\t\"\\/";
            if (++t->at == t->end) {
                wrong();
            }
            const char *found = strchr(from, *t->at);
            if (found != NULL && *found) {
                vstr_add_byte(&out, to[found - from]);
                continue;
            }
            uint32_t code = 0;
            if (*t->at != 'u' || t->end - t->at < 5) {
                wrong();
            }
            for (int i = 0; i < 4; i++) {
                if (!unichar_isxdigit(*++t->at)) {
                    wrong();
                }
                code = code << 4 | unichar_xdigit_value(*t->at);
            }
            vstr_add_char(&out, code);
        } else {
            vstr_add_byte(&out, c);
        }
    }
    if (t->at == t->end) {
        wrong();
    }
    t->at++;
    return mp_obj_new_str_from_vstr(&out);
}

static mp_obj_t value(text_t *t) {
    static const struct { const char *word; mp_obj_t object; } words[] = {
        {"true", MP_ROM_TRUE}, {"false", MP_ROM_FALSE}, {"null", MP_ROM_NONE},
    };
    mp_cstack_check();
    char c = next(t);
    if (c == '"') {
        return string(t);
    }
    if (c == '[' || c == '{') {
        char closing = c == '[' ? ']' : '}';
        mp_obj_t made = c == '[' ? mp_obj_new_list(0, NULL) : mp_obj_new_dict(0);
        t->at++;
        if (next(t) == closing) {
            t->at++;
            return made;
        }
        for (;;) {
            if (c == '[') {
                mp_obj_list_append(made, value(t));
            } else {
                if (next(t) != '"') {
                    wrong();
                }
                mp_obj_t key = string(t);
                if (next(t) != ':') {
                    wrong();
                }
                t->at++;
                mp_obj_dict_store(made, key, value(t));
            }
            char after = next(t);
            t->at++;
            if (after == closing) {
                return made;
            }
            if (after != ',') {
                wrong();
            }
        }
    }
    for (size_t i = 0; i < MP_ARRAY_SIZE(words); i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(t->end - t->at) >= n && memcmp(t->at, words[i].word, n) == 0) {
            t->at += n;
            return words[i].object;
        }
    }
    const char *start = t->at;
    bool is_float = false;
    while (t->at < t->end && *t->at && strchr("+-.eE0123456789", *t->at)) {
        is_float |= strchr(".eE", *t->at) != NULL;
        t->at++;
    }
    if (t->at == start) {
        wrong();
    }
    if (is_float) {
        return mp_parse_num_float(start, t->at - start, false, NULL);
    }
    return mp_parse_num_integer(start, t->at - start, 10, NULL);
}

static mp_obj_t json_loads(mp_obj_t data) {
    mp_buffer_info_t in;
    mp_get_buffer_raise(data, &in, MP_BUFFER_READ);
    text_t t = {in.buf, (const char *)in.buf + in.len};
    mp_obj_t found = value(&t);
    while (t.at < t.end && strchr(" \t\r\n", *t.at)) {
        t.at++;
    }
    if (t.at != t.end) {
        wrong();
    }
    return found;
}
static MP_DEFINE_CONST_FUN_OBJ_1(json_loads_obj, json_loads);

static mp_obj_t json_load(mp_obj_t stream) {
    mp_obj_t method[2];
    mp_load_method(stream, MP_QSTR_read, method);
    return json_loads(mp_call_method_n_kw(0, 0, method));
}
static MP_DEFINE_CONST_FUN_OBJ_1(json_load_obj, json_load);

static mp_obj_t json_dumps(mp_obj_t object) {
    vstr_t out;
    mp_print_t print;
    vstr_init_print(&out, 16, &print);
    mp_obj_print_helper(&print, object, PRINT_JSON);
    return mp_obj_new_str_from_utf8_vstr(&out);
}
static MP_DEFINE_CONST_FUN_OBJ_1(json_dumps_obj, json_dumps);

static const mp_rom_map_elem_t json_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_json) },
    { MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&json_load_obj) },
    { MP_ROM_QSTR(MP_QSTR_loads), MP_ROM_PTR(&json_loads_obj) },
    { MP_ROM_QSTR(MP_QSTR_dumps), MP_ROM_PTR(&json_dumps_obj) },
};
static MP_DEFINE_CONST_DICT(json_globals, json_table);
const mp_obj_module_t json_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&json_globals };
MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_json, json_module);
