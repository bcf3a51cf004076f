// The modules network, socket and tls where there is no network of any kind, as firmware meets it in a cellar: no interface comes
// up, no name is found, and certificates are taken and never used.

#include "py/mperrno.h"
#include "py/runtime.h"

// network

typedef struct {
    mp_obj_base_t base;
    bool is_active;
} nic_t;

static mp_obj_t nic_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)n_args;
    (void)n_kw;
    (void)args;
    nic_t *self = mp_obj_malloc(nic_t, type);
    self->is_active = false;
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t nic_active(size_t n_args, const mp_obj_t *args) {
    nic_t *self = MP_OBJ_TO_PTR(args[0]);
    if (n_args > 1) {
        self->is_active = mp_obj_is_true(args[1]);
    }
    return mp_obj_new_bool(self->is_active);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(nic_active_obj, 1, 2, nic_active);

static mp_obj_t nic_nothing(size_t n_args, const mp_obj_t *args, mp_map_t *named) {
    (void)n_args;
    (void)args;
    (void)named;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(nic_nothing_obj, 1, nic_nothing);

static mp_obj_t nic_isconnected(mp_obj_t self) {
    (void)self;
    return mp_const_false;
}
static MP_DEFINE_CONST_FUN_OBJ_1(nic_isconnected_obj, nic_isconnected);

static mp_obj_t nic_scan(mp_obj_t self) {
    (void)self;
    return mp_obj_new_list(0, NULL);
}
static MP_DEFINE_CONST_FUN_OBJ_1(nic_scan_obj, nic_scan);

static const mp_rom_map_elem_t nic_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_active), MP_ROM_PTR(&nic_active_obj) },
    { MP_ROM_QSTR(MP_QSTR_connect), MP_ROM_PTR(&nic_nothing_obj) },
    { MP_ROM_QSTR(MP_QSTR_disconnect), MP_ROM_PTR(&nic_nothing_obj) },
    { MP_ROM_QSTR(MP_QSTR_config), MP_ROM_PTR(&nic_nothing_obj) },
    { MP_ROM_QSTR(MP_QSTR_isconnected), MP_ROM_PTR(&nic_isconnected_obj) },
    { MP_ROM_QSTR(MP_QSTR_scan), MP_ROM_PTR(&nic_scan_obj) },
};
static MP_DEFINE_CONST_DICT(nic_locals, nic_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(ppp_type, MP_QSTR_PPP, MP_TYPE_FLAG_NONE, make_new, nic_new, locals_dict, &nic_locals);
static MP_DEFINE_CONST_OBJ_TYPE(lan_type, MP_QSTR_LAN, MP_TYPE_FLAG_NONE, make_new, nic_new, locals_dict, &nic_locals);
static MP_DEFINE_CONST_OBJ_TYPE(wlan_type, MP_QSTR_WLAN, MP_TYPE_FLAG_NONE, make_new, nic_new, locals_dict, &nic_locals);

static const mp_rom_map_elem_t network_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_network) },
    { MP_ROM_QSTR(MP_QSTR_PPP), MP_ROM_PTR(&ppp_type) },
    { MP_ROM_QSTR(MP_QSTR_LAN), MP_ROM_PTR(&lan_type) },
    { MP_ROM_QSTR(MP_QSTR_WLAN), MP_ROM_PTR(&wlan_type) },
    { MP_ROM_QSTR(MP_QSTR_STA_IF), MP_ROM_INT(0) },
    { MP_ROM_QSTR(MP_QSTR_AP_IF), MP_ROM_INT(1) },
    { MP_ROM_QSTR(MP_QSTR_PHY_LAN8720), MP_ROM_INT(1) },
    { MP_ROM_QSTR(MP_QSTR_PHY_GENERIC), MP_ROM_INT(7) },
};
static MP_DEFINE_CONST_DICT(network_globals, network_table);
const mp_obj_module_t network_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&network_globals };
MP_REGISTER_MODULE(MP_QSTR_network, network_module);

// socket

static mp_obj_t socket_getaddrinfo(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    (void)args;
    mp_raise_OSError(-2); // EAI_NONAME, as where there is no DNS
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_getaddrinfo_obj, 2, 6, socket_getaddrinfo);

static mp_obj_t socket_new(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    (void)args;
    mp_raise_OSError(MP_ENODEV);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_new_obj, 0, 3, socket_new);

static const mp_rom_map_elem_t socket_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_socket) },
    { MP_ROM_QSTR(MP_QSTR_getaddrinfo), MP_ROM_PTR(&socket_getaddrinfo_obj) },
    { MP_ROM_QSTR(MP_QSTR_socket), MP_ROM_PTR(&socket_new_obj) },
    { MP_ROM_QSTR(MP_QSTR_AF_INET), MP_ROM_INT(2) },
    { MP_ROM_QSTR(MP_QSTR_SOCK_STREAM), MP_ROM_INT(1) },
    { MP_ROM_QSTR(MP_QSTR_SOCK_DGRAM), MP_ROM_INT(2) },
};
static MP_DEFINE_CONST_DICT(socket_globals, socket_table);
const mp_obj_module_t socket_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&socket_globals };
MP_REGISTER_MODULE(MP_QSTR_socket, socket_module);

// tls

static void context_attr(mp_obj_t self_in, qstr name, mp_obj_t *dest) {
    if (dest[0] == MP_OBJ_NULL) {
        if (name == MP_QSTR_load_verify_locations || name == MP_QSTR_load_cert_chain) {
            dest[0] = MP_OBJ_FROM_PTR(&nic_nothing_obj);
            dest[1] = self_in;
        }
    } else if (dest[1] != MP_OBJ_NULL && name == MP_QSTR_verify_mode) {
        dest[0] = MP_OBJ_NULL;
    }
}

static MP_DEFINE_CONST_OBJ_TYPE(context_type, MP_QSTR_SSLContext, MP_TYPE_FLAG_NONE, make_new, nic_new, attr, context_attr);

static const mp_rom_map_elem_t tls_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_tls) },
    { MP_ROM_QSTR(MP_QSTR_SSLContext), MP_ROM_PTR(&context_type) },
    { MP_ROM_QSTR(MP_QSTR_PROTOCOL_TLS_CLIENT), MP_ROM_INT(0) },
    { MP_ROM_QSTR(MP_QSTR_CERT_REQUIRED), MP_ROM_INT(2) },
};
static MP_DEFINE_CONST_DICT(tls_globals, tls_table);
const mp_obj_module_t tls_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&tls_globals };
MP_REGISTER_MODULE(MP_QSTR_tls, tls_module);
