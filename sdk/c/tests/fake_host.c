#include "fake_host.h"
#include <stdarg.h>

struct column given[COLUMNS_MAX], written[COLUMNS_MAX], emitted[COLUMNS_MAX];
size_t given_rows, rejections_count;
uint8_t *kept;
char *rejections[TEXTS_MAX], *emission, *logged, *counted;

static exports_millstream_plugin_plugin_plan_t planned;

void check_text(const char *file, int line, const char *found, const char *expect) {
    if (strcmp(found, expect) == 0) return;
    fprintf(stderr, "%s:%d: found    %s\n%s:%d: expected %s\n", file, line, found, file, line, expect);
    exit(1);
}

__attribute__((format(printf, 2, 3))) static void add(char **text, const char *format, ...) {
    size_t length = *text == NULL ? 0 : strlen(*text);
    *text = realloc(*text, length + 512);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(*text + length, 512, format, arguments);
    va_end(arguments);
}

static void *copy(const void *from, size_t bytes) {
    if (bytes == 0) return NULL; // as lists that are empty come from the host
    return memcpy(malloc(bytes), from, bytes);
}

static size_t bitmap_bytes(size_t rows) { return (rows + 7) / 8; }

static millstream_plugin_types_option_bitmap_t validity(const struct column *column) {
    size_t bytes = bitmap_bytes(given_rows);
    if (column->valid == NULL) return (millstream_plugin_types_option_bitmap_t){0};
    return (millstream_plugin_types_option_bitmap_t){true, {copy(column->valid, bytes), bytes}};
}

static uint8_t *valid_of(millstream_plugin_types_option_bitmap_t valid) {
    return valid.is_some ? copy(valid.val.ptr, valid.val.len) : NULL;
}

// ---- Columns: read, written, emitted ----

typedef millstream_plugin_batches_borrow_batch_t batch_handle;
typedef millstream_plugin_batches_borrow_builder_t builder_handle;

#define NUMBERS(kind, list_type)                                                                                 \
    void millstream_plugin_batches_method_batch_read_##kind(batch_handle self, uint32_t col, list_type *ret) {   \
        (void)self;                                                                                              \
        const struct column *from = &given[col];                                                                 \
        ret->values.ptr = copy(from->values, from->length * sizeof *ret->values.ptr);                            \
        ret->values.len = from->length;                                                                          \
        ret->valid = validity(from);                                                                             \
    }                                                                                                            \
    static struct column taken_##kind(const list_type *v) {                                                      \
        void *values = copy(v->values.ptr, v->values.len * sizeof *v->values.ptr);                               \
        return (struct column){.values = values, .length = v->values.len, .valid = valid_of(v->valid), .rows = v->values.len};                  \
    }                                                                                                            \
    WRITERS(kind, list_type)
#define SLICES(kind, list_type, elements)                                                                        \
    void millstream_plugin_batches_method_batch_read_##kind(batch_handle self, uint32_t col, list_type *ret) {   \
        (void)self;                                                                                              \
        const struct column *from = &given[col];                                                                 \
        ret->offsets.ptr = copy(from->offsets, (given_rows + 1) * sizeof(uint32_t));                             \
        ret->offsets.len = given_rows + 1;                                                                       \
        ret->elements.ptr = copy(from->values, from->length * sizeof *ret->elements.ptr);                        \
        ret->elements.len = from->length;                                                                        \
        ret->valid = validity(from);                                                                             \
    }                                                                                                            \
    static struct column taken_##kind(const list_type *v) {                                                      \
        void *values = copy(v->elements.ptr, v->elements.len * sizeof *v->elements.ptr);                         \
        uint32_t *offsets = copy(v->offsets.ptr, v->offsets.len * sizeof(uint32_t));                             \
        return (struct column){values, v->elements.len, offsets, valid_of(v->valid), v->offsets.len - 1, 0, NULL, NULL};        \
    }                                                                                                            \
    WRITERS(kind, list_type)
#define WRITERS(kind, list_type)                                                                                 \
    void millstream_plugin_batches_method_batch_write_##kind(batch_handle self, uint32_t col, list_type *v) {    \
        (void)self;                                                                                              \
        written[col] = taken_##kind(v);                                                                          \
    }                                                                                                            \
    void millstream_plugin_batches_method_builder_write_##kind(builder_handle self, uint32_t col, list_type *v) { \
        (void)self;                                                                                              \
        emitted[col] = taken_##kind(v);                                                                          \
    }

// `bool` is a macro of stdbool.h, and the name of the function is wanted.
#undef bool
NUMBERS(bool, millstream_plugin_types_bools_t)
#define bool _Bool
NUMBERS(int32, millstream_plugin_types_int32s_t)
NUMBERS(int64, millstream_plugin_types_int64s_t)
NUMBERS(float32, millstream_plugin_types_float32s_t)
NUMBERS(float64, millstream_plugin_types_float64s_t)
SLICES(bytes, millstream_plugin_types_bytes_t, data)
SLICES(float64_list, millstream_plugin_types_float64_lists_t, values)

static bindings_list_u8_t given_buffer(const void *from, size_t bytes) {
    return (bindings_list_u8_t){copy(from, bytes), bytes};
}

void millstream_plugin_batches_method_batch_read_raw(batch_handle self, uint32_t col, millstream_plugin_types_raw_t *ret) {
    (void)self;
    const struct column *from = &given[col];
    bindings_list_u8_t buffers[] = {
        given_buffer(from->offsets, (given_rows + 1) * sizeof(uint32_t)),
        given_buffer(from->items_valid, from->items_valid == NULL ? 0 : bitmap_bytes(from->items)),
        given_buffer(from->item_offsets, (from->items + 1) * sizeof(uint32_t)),
        given_buffer(from->values, from->length),
    };
    *ret = (millstream_plugin_types_raw_t){{copy(buffers, sizeof buffers), 4}, validity(from)};
}

static struct column taken_raw(const millstream_plugin_types_raw_t *v) {
    CHECK_THAT(v->buffers.len == 4);
    const bindings_list_u8_t *from = v->buffers.ptr;
    size_t rows = from[0].len / sizeof(uint32_t) - 1, items = from[2].len / sizeof(uint32_t) - 1;
    CHECK_THAT(from[1].len == 0 || from[1].len == bitmap_bytes(items));
    return (struct column){copy(from[3].ptr, from[3].len), from[3].len, copy(from[0].ptr, from[0].len), valid_of(v->valid), rows,
                           items, copy(from[2].ptr, from[2].len), copy(from[1].ptr, from[1].len)};
}
WRITERS(raw, millstream_plugin_types_raw_t)

// ---- Rows ----

uint32_t millstream_plugin_batches_method_batch_rows(batch_handle self) {
    (void)self;
    return (uint32_t)given_rows;
}

void millstream_plugin_batches_method_batch_keep(batch_handle self, millstream_plugin_types_bitmap_t *mask) {
    (void)self;
    CHECK_THAT(mask->len == bitmap_bytes(given_rows));
    kept = copy(mask->ptr, mask->len);
}

static void add_numbers(char **text, const bindings_list_u32_t *numbers) {
    for (size_t at = 0; at < numbers->len; at++) add(text, "%s%u", at == 0 ? "" : ",", numbers->ptr[at]);
}

void millstream_plugin_batches_method_batch_reject(batch_handle self, bindings_list_u32_t *rows,
                                                   bindings_string_t *reason) {
    (void)self;
    char **text = &rejections[rejections_count++];
    *text = NULL;
    add_numbers(text, rows);
    add(text, ": %.*s", (int)reason->len, reason->ptr);
}

millstream_plugin_batches_own_builder_t millstream_plugin_batches_constructor_builder(uint32_t output, uint32_t rows) {
    (void)rows;
    add(&emission, "output %u, parents ", output);
    return (millstream_plugin_batches_own_builder_t){5};
}

builder_handle millstream_plugin_batches_borrow_builder(millstream_plugin_batches_own_builder_t builder) {
    return (builder_handle){builder.__handle};
}

void millstream_plugin_batches_method_builder_gather(builder_handle self, batch_handle source,
                                                     bindings_list_u32_t *parents) {
    (void)self, (void)source;
    add_numbers(&emission, parents);
}

void millstream_plugin_batches_emit(millstream_plugin_batches_own_builder_t rows) { CHECK_THAT(rows.__handle == 5); }

void millstream_plugin_batches_batch_drop_borrow(batch_handle handle) { CHECK_THAT(handle.__handle == 3); }

// ---- Log and metrics ----

bool millstream_plugin_log_enabled(millstream_plugin_log_level_t at) { return at != MILLSTREAM_PLUGIN_LOG_LEVEL_DEBUG; }

void millstream_plugin_log_log(millstream_plugin_log_level_t at, bindings_string_t *message) {
    (void)at;
    logged = NULL;
    add(&logged, "%.*s", (int)message->len, message->ptr);
}

millstream_plugin_metrics_own_counter_t millstream_plugin_metrics_constructor_counter(bindings_string_t *name) {
    add(&counted, "%.*s", (int)name->len, name->ptr);
    return (millstream_plugin_metrics_own_counter_t){0};
}

millstream_plugin_metrics_borrow_counter_t
millstream_plugin_metrics_borrow_counter(millstream_plugin_metrics_own_counter_t handle) {
    return (millstream_plugin_metrics_borrow_counter_t){handle.__handle};
}

void millstream_plugin_metrics_method_counter_add(millstream_plugin_metrics_borrow_counter_t self, uint64_t n) {
    (void)self;
    add(&counted, " %llu", (unsigned long long)n);
}

// ---- Calls ----

static bindings_string_t string_of(const char *text, size_t length) {
    return (bindings_string_t){copy(text, length), length};
}

static exports_millstream_plugin_plugin_list_input_t one_input(const char *columns) {
    exports_millstream_plugin_plugin_input_t *input = calloc(1, sizeof *input);
    input->name = string_of("s", 1);
    input->fields.ptr = calloc(COLUMNS_MAX, sizeof *input->fields.ptr);
    while (*columns != 0) {
        size_t length = strcspn(columns, " "), name = columns[length - 1] == '?' ? length - 1 : length;
        exports_millstream_plugin_plugin_field_t *field = &input->fields.ptr[input->fields.len++];
        field->name = string_of(columns, name);
        field->nullable = name < length;
        columns += length + strspn(columns + length, " ");
    }
    return (exports_millstream_plugin_plugin_list_input_t){input, 1};
}

char *configure(const char *config, const char *columns) {
    bindings_string_t json = string_of(config, strlen(config));
    exports_millstream_plugin_plugin_list_input_t inputs = one_input(columns);
    exports_millstream_plugin_plugin_list_config_problem_t problems;
    char *text = calloc(1, 1);
    if (exports_millstream_plugin_plugin_configure(&json, &inputs, &planned, &problems)) return text;
    for (size_t at = 0; at < problems.len; at++) {
        const exports_millstream_plugin_plugin_config_problem_t *problem = &problems.ptr[at];
        add(&text, "%.*s: %.*s\n", (int)problem->path.len, problem->path.ptr, (int)problem->message.len,
            problem->message.ptr);
    }
    exports_millstream_plugin_plugin_list_config_problem_free(&problems);
    return text;
}

static void add_fields(char **text, const exports_millstream_plugin_plugin_list_field_t *fields) {
    for (size_t at = 0; at < fields->len; at++) {
        const exports_millstream_plugin_plugin_field_t *field = &fields->ptr[at];
        add(text, " %.*s:%d%s", (int)field->name.len, field->name.ptr, field->ty.tag, field->nullable ? "?" : "");
    }
}

char *plan(void) {
    const exports_millstream_plugin_plugin_input_plan_t *own = &planned.inputs.ptr[0];
    char *text = NULL;
    add(&text, "reads");
    add_fields(&text, &own->reads);
    add(&text, " writes");
    add_fields(&text, &own->writes);
    add(&text, " drops");
    for (size_t at = 0; at < own->drops.len; at++) {
        add(&text, " %.*s", (int)own->drops.ptr[at].len, own->drops.ptr[at].ptr);
    }
    for (size_t at = 0; at < planned.outputs.len; at++) {
        const exports_millstream_plugin_plugin_output_t *output = &planned.outputs.ptr[at];
        add(&text, " output %.*s", (int)output->name.len, output->name.ptr);
        add_fields(&text, &output->fields);
    }
    exports_millstream_plugin_plugin_plan_free(&planned);
    return text;
}

char *process(void) {
    rejections_count = 0;
    kept = NULL;
    emission = counted = NULL;
    exports_millstream_plugin_plugin_error_t error;
    char *text = NULL;
    if (exports_millstream_plugin_plugin_process(0, (batch_handle){3}, &error)) {
        add(&text, "ok");
    } else {
        const bindings_string_t *why = &error.val.fatal;
        const char *kind = error.tag == 0 ? "retry" : error.tag == 1 ? "bad batch" : "fatal";
        add(&text, "%s: %.*s", kind, (int)why->len, why->ptr);
        exports_millstream_plugin_plugin_error_free(&error);
    }
    return text;
}

// ---- Servers: the url says how the answer is ----

static millstream_plugin_http_result_response_http_error_t answer(const millstream_plugin_http_request_t *request) {
    millstream_plugin_http_result_response_http_error_t answer = {0};
    const char *url = (const char *)request->url.ptr;
    answer.is_err = url[0] != '/';
    answer.val.err.tag = (uint8_t)(url[0] - '0');
    if (answer.is_err && (answer.val.err.tag == 0 || answer.val.err.tag == 3)) {
        answer.val.err.val.denied = string_of("because", strlen("because"));
    }
    if (answer.is_err) return answer;
    millstream_plugin_http_response_t *response = &answer.val.ok;
    response->status = 200;
    response->body.ptr = copy(request->body.ptr, request->body.len);
    response->body.len = request->body.len;
    response->headers.ptr = calloc(1, sizeof *response->headers.ptr);
    response->headers.len = 1;
    response->headers.ptr->f0 = string_of((char *)request->method.ptr, request->method.len);
    response->headers.ptr->f1 = string_of(url, request->url.len);
    return answer;
}

void millstream_plugin_http_send_many(millstream_plugin_http_list_request_t *requests,
                                      millstream_plugin_http_list_result_response_http_error_t *ret) {
    ret->ptr = calloc(requests->len, sizeof *ret->ptr);
    ret->len = requests->len;
    for (size_t at = 0; at < requests->len; at++) ret->ptr[at] = answer(&requests->ptr[at]);
}
