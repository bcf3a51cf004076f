// The module _asyncio: what asyncio asks of a port in C. A Task is a coroutine and when it is due; a TaskQueue holds tasks by that.
//
// The loop and the other asyncio classes need of a task: `coro`; `data`, which is an exception to throw next, the queue that holds
// the task, or the task that it waits for; `state`: True while it runs unawaited, a TaskQueue of those who await it, a function to
// call at its end, None when it is done, False when that has been noticed; `ph_key`, when it is due.

#include "py/pairheap.h"
#include "py/runtime.h"
#include "board.h"

#define PERIOD (1u << 30)

typedef struct {
    mp_pairheap_t node; // with the object's base
    mp_obj_t coro, data, state, due;
} task_t;

typedef struct {
    mp_obj_base_t base;
    mp_pairheap_t *heap;
} queue_t;

static const mp_obj_type_t task_type, queue_type;

MP_REGISTER_ROOT_POINTER(mp_obj_t asyncio_loop); // asyncio.core's globals

static mp_obj_t ticks(void) {
    return MP_OBJ_NEW_SMALL_INT((mp_uint_t)(board_ticks() / 25000u) & (PERIOD - 1));
}

static mp_int_t difference(mp_obj_t end, mp_obj_t start) {
    mp_uint_t n = (mp_uint_t)MP_OBJ_SMALL_INT_VALUE(end) - (mp_uint_t)MP_OBJ_SMALL_INT_VALUE(start);
    return (mp_int_t)((n + PERIOD / 2) & (PERIOD - 1)) - (mp_int_t)(PERIOD / 2);
}

static int comes_before(mp_pairheap_t *a, mp_pairheap_t *b) {
    return difference(((task_t *)a)->due, ((task_t *)b)->due) < 0;
}

static mp_obj_t of_loop(qstr name) {
    return mp_obj_dict_get(MP_STATE_VM(asyncio_loop), MP_OBJ_NEW_QSTR(name));
}

static task_t *task_of(mp_obj_t object) {
    if (!mp_obj_is_type(object, &task_type)) {
        mp_raise_TypeError(MP_ERROR_TEXT("a task is expected"));
    }
    return MP_OBJ_TO_PTR(object);
}

// The queue

static mp_obj_t queue_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)args;
    mp_arg_check_num(n_args, n_kw, 0, 0, false);
    queue_t *self = mp_obj_malloc(queue_t, type);
    self->heap = mp_pairheap_new(comes_before);
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t queue_peek(mp_obj_t self_in) {
    queue_t *self = MP_OBJ_TO_PTR(self_in);
    return self->heap == NULL ? mp_const_none : MP_OBJ_FROM_PTR(self->heap);
}
static MP_DEFINE_CONST_FUN_OBJ_1(queue_peek_obj, queue_peek);

static mp_obj_t queue_push(size_t n_args, const mp_obj_t *args) {
    queue_t *self = MP_OBJ_TO_PTR(args[0]);
    task_t *task = task_of(args[1]);
    task->data = mp_const_none;
    task->due = n_args > 2 ? args[2] : ticks();
    self->heap = mp_pairheap_push(comes_before, self->heap, &task->node);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(queue_push_obj, 2, 3, queue_push);

static mp_obj_t queue_pop(mp_obj_t self_in) {
    queue_t *self = MP_OBJ_TO_PTR(self_in);
    mp_pairheap_t *head = self->heap;
    if (head == NULL) {
        mp_raise_msg(&mp_type_IndexError, MP_ERROR_TEXT("empty"));
    }
    self->heap = mp_pairheap_pop(comes_before, head);
    return MP_OBJ_FROM_PTR(head);
}
static MP_DEFINE_CONST_FUN_OBJ_1(queue_pop_obj, queue_pop);

static mp_obj_t queue_remove(mp_obj_t self_in, mp_obj_t task) {
    queue_t *self = MP_OBJ_TO_PTR(self_in);
    self->heap = mp_pairheap_delete(comes_before, self->heap, &task_of(task)->node);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(queue_remove_obj, queue_remove);

static const mp_rom_map_elem_t queue_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_peek), MP_ROM_PTR(&queue_peek_obj) },
    { MP_ROM_QSTR(MP_QSTR_push), MP_ROM_PTR(&queue_push_obj) },
    { MP_ROM_QSTR(MP_QSTR_pop), MP_ROM_PTR(&queue_pop_obj) },
    { MP_ROM_QSTR(MP_QSTR_remove), MP_ROM_PTR(&queue_remove_obj) },
};
static MP_DEFINE_CONST_DICT(queue_locals, queue_locals_table);
static MP_DEFINE_CONST_OBJ_TYPE(queue_type, MP_QSTR_TaskQueue, MP_TYPE_FLAG_NONE, make_new, queue_new, locals_dict, &queue_locals);

// The task

static mp_obj_t task_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 2, false);
    task_t *self = mp_obj_malloc(task_t, type);
    mp_pairheap_init_node(comes_before, &self->node);
    self->coro = args[0];
    self->data = mp_const_none;
    self->state = mp_const_true;
    self->due = MP_OBJ_NEW_SMALL_INT(0);
    if (n_args > 1) {
        MP_STATE_VM(asyncio_loop) = args[1];
    }
    return MP_OBJ_FROM_PTR(self);
}

static bool is_done(const task_t *self) {
    return self->state == mp_const_none || self->state == mp_const_false;
}

static mp_obj_t task_done(mp_obj_t self_in) {
    return mp_obj_new_bool(is_done(MP_OBJ_TO_PTR(self_in)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(task_done_obj, task_done);

static mp_obj_t task_cancel(mp_obj_t self_in) {
    task_t *task = MP_OBJ_TO_PTR(self_in);
    if (is_done(task)) {
        return mp_const_false;
    }
    if (self_in == of_loop(MP_QSTR_cur_task)) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("can't cancel self"));
    }
    while (mp_obj_is_type(task->data, &task_type)) { // it waits for another: that one is cancelled
        task = MP_OBJ_TO_PTR(task->data);
    }
    mp_obj_t loops = of_loop(MP_QSTR__task_queue);
    mp_obj_t push[] = {loops, MP_OBJ_FROM_PTR(task)};
    mp_obj_t remove[3];
    mp_load_method_maybe(task->data, MP_QSTR_remove, remove);
    if (remove[0] != MP_OBJ_NULL) { // it waits in some other queue: an event, a stream
        remove[2] = push[1];
        mp_call_method_n_kw(1, 0, remove);
        queue_push(2, push);
    } else if (difference(task->due, ticks()) > 0) { // it sleeps
        queue_remove(loops, push[1]);
        queue_push(2, push);
    }
    task->data = of_loop(MP_QSTR_CancelledError);
    return mp_const_true;
}
static MP_DEFINE_CONST_FUN_OBJ_1(task_cancel_obj, task_cancel);

static void task_attr(mp_obj_t self_in, qstr name, mp_obj_t *dest) {
    task_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] != MP_OBJ_NULL) {
        if (dest[1] != MP_OBJ_NULL && (name == MP_QSTR_data || name == MP_QSTR_state)) {
            *(name == MP_QSTR_data ? &self->data : &self->state) = dest[1];
            dest[0] = MP_OBJ_NULL;
        }
        return;
    }
    switch (name) {
        case MP_QSTR_coro: dest[0] = self->coro; break;
        case MP_QSTR_data: dest[0] = self->data; break;
        case MP_QSTR_state: dest[0] = self->state; break;
        case MP_QSTR_ph_key: dest[0] = self->due; break;
        case MP_QSTR_done: dest[0] = MP_OBJ_FROM_PTR(&task_done_obj); dest[1] = self_in; break;
        case MP_QSTR_cancel: dest[0] = MP_OBJ_FROM_PTR(&task_cancel_obj); dest[1] = self_in; break;
    }
}

// Awaited

static mp_obj_t task_iter(mp_obj_t self_in, mp_obj_iter_buf_t *iter_buf) {
    (void)iter_buf;
    task_t *self = MP_OBJ_TO_PTR(self_in);
    if (is_done(self)) {
        self->state = mp_const_false; // its result is being fetched: the loop need not tell of an exception in it
    } else if (self->state == mp_const_true) {
        self->state = queue_new(&queue_type, 0, 0, NULL);
    } else if (!mp_obj_is_type(self->state, &queue_type)) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("can't wait"));
    }
    return self_in;
}

static mp_obj_t task_next(mp_obj_t self_in) {
    task_t *self = MP_OBJ_TO_PTR(self_in);
    if (is_done(self)) {
        if (self->data == mp_const_none) {
            return MP_OBJ_STOP_ITERATION;
        }
        nlr_raise(mp_make_raise_obj(self->data));
    }
    mp_obj_t waiter = of_loop(MP_QSTR_cur_task);
    const mp_obj_t push[] = {self->state, waiter};
    queue_push(2, push);
    task_of(waiter)->data = self_in;
    return mp_const_none;
}

static const mp_getiter_iternext_custom_t task_iteration = { .getiter = task_iter, .iternext = task_next };
static MP_DEFINE_CONST_OBJ_TYPE(
    task_type, MP_QSTR_Task, MP_TYPE_FLAG_ITER_IS_CUSTOM, make_new, task_new, attr, task_attr, iter, &task_iteration);

static const mp_rom_map_elem_t asyncio_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__asyncio) },
    { MP_ROM_QSTR(MP_QSTR_Task), MP_ROM_PTR(&task_type) },
    { MP_ROM_QSTR(MP_QSTR_TaskQueue), MP_ROM_PTR(&queue_type) },
};
static MP_DEFINE_CONST_DICT(asyncio_globals, asyncio_table);
const mp_obj_module_t asyncio_module = { .base = { &mp_type_module }, .globals = (mp_obj_dict_t *)&asyncio_globals };
MP_REGISTER_MODULE(MP_QSTR__asyncio, asyncio_module);
