// What the parts of the SDK know of each other. Authors include millstream.h only.

#ifndef MILLSTREAM_INTERNAL_H
#define MILLSTREAM_INTERNAL_H

#include "bindings.h"
#include "millstream.h"

typedef millstream_plugin_batches_borrow_batch_t batch_handle;
typedef exports_millstream_plugin_plugin_list_field_t field_list;
typedef exports_millstream_plugin_plugin_input_t plugin_input;
typedef exports_millstream_plugin_plugin_plan_t plugin_plan;
typedef exports_millstream_plugin_plugin_error_t call_error;

// ---- memory.c ----

// malloc and realloc that trap, with a message, instead of returning NULL.
void *allocated(size_t bytes);
void *reallocated(void *old, size_t bytes);
// Frees what mill_alloc gave out in this call.
void free_call_memory(void);

// Bytes that grow; kept from call to call.
typedef struct {
    uint8_t *bytes;
    size_t length, capacity;
} buffer;
// Room for `bytes` more, which are then part of it.
void *extend(buffer *buffer, size_t bytes);

// ---- text.c ----

void set_string(bindings_string_t *to, mill_text text);
// Makes UTF-8 of bytes that are to be shown: what is none becomes `?`.
void mend_text(char *bytes, size_t length);

// ---- columns.c ----

static inline mill_type base_type(mill_type type) { return type & ~MILL_IS_NULLABLE; }
static inline bool is_nullable(mill_type type) { return type & MILL_IS_NULLABLE; }
static inline size_t bitmap_bytes(size_t rows) { return (rows + 7) / 8; }

// A column as it was read; the lists belong to it.
typedef struct {
    bool is_open;
    const void *values;
    const uint32_t *offsets;
    const uint8_t *valid; // NULL: all
    size_t length;
    mill_text *items; // of a list of texts, all rows'
    union {
        millstream_plugin_types_bools_t bools;
        millstream_plugin_types_int32s_t int32s;
        millstream_plugin_types_int64s_t int64s;
        millstream_plugin_types_float32s_t float32s;
        millstream_plugin_types_float64s_t float64s;
        millstream_plugin_types_bytes_t bytes;
        millstream_plugin_types_float64_lists_t lists;
        millstream_plugin_types_raw_t raw;
    } from;
} column_read;

// A bit for each value, kept only once there is a null.
typedef struct {
    buffer bits;
    bool has_nulls;
} bits_written;

// A column as it is being written: rows are appended, or all are there from the beginning.
typedef struct {
    size_t rows;
    buffer values;  // bits, numbers, or the bytes and numbers of all rows
    buffer offsets; // of columns of variable length: uint32_t
    bits_written valid;
    // Of lists of texts, whose bytes are in `values`.
    buffer item_offsets; // uint32_t
    bits_written items_valid;
} column_write;

bool has_offsets(mill_type type);
size_t value_size(mill_type type); // 0 for booleans; of an element, for those with offsets
void open_column(column_read *read, mill_type type, batch_handle batch, uint32_t number);
void close_column(column_read *read, mill_type type);
void begin_column(column_write *write, mill_type type);
void append_null(column_write *write, mill_type type);
void append_value(column_write *write, mill_type type, const void *field);
void append_slice(column_write *write, const void *data, size_t bytes, size_t element_size);
// A list of texts, whose bytes are copied.
void append_texts(column_write *write, mill_texts list);
void set_row_null(column_write *write, size_t row);
// All rows at once: 0, to be filled in.
void fill_column(column_write *write, mill_type type, size_t rows);

// Where a finished column goes.
typedef struct {
    bool is_builder;
    int32_t handle;
} column_target;
void finish_column(column_write *write, mill_type type, column_target target, uint32_t number);

// ---- text_lists.c ----

void open_texts(column_read *read, batch_handle batch, uint32_t number);
void close_texts(column_read *read);
void finish_texts(column_write *write, column_target target, uint32_t number);
// Notes a null among values of which only nulls are noted.
void set_null(bits_written *bits, size_t at);
// A bitmap of so many values, 0 behind the last one; none if no value is null.
millstream_plugin_types_option_bitmap_t bitmap_of(bits_written *bits, size_t values);

// ---- plan.c ----

// Where the columns of the plugin's row are in the plan; -1: not there.
typedef struct {
    int32_t read, write;
} column_place;
// Says what of the input does not fit.
void check_input(const plugin_input *input, mill_problems *problems);
column_place *make_places(const plugin_input *input);
void make_plan(const plugin_input *input, const column_place *places, plugin_plan *plan);

// ---- settings.c ----

// Fills the plugin's configuration, or says what is wrong. The memory is never freed.
void *read_config(mill_text json, mill_problems *problems);
char *config_schema(void);
char *example_config(void);

struct mill_problems {
    exports_millstream_plugin_plugin_config_problem_t *list;
    size_t count;
};
void add_problem(mill_problems *problems, mill_text path, mill_text message);

// ---- batch.c ----

struct mill_batch {
    batch_handle handle;
    size_t rows;
    const column_place *places;
    column_read *reads;   // by number in the plugin's row
    column_write *writes; // likewise
};
// Runs the plugin over a batch. The reason of the verdict, and all that was read, live until it is closed.
mill_verdict run_batch(batch_handle handle, const column_place *places, void *config);
void close_batch(void);

// ---- removed.c ----

void begin_removed(size_t rows);
void remove_row(size_t row, const char *reason); // NULL: dropped
void finish_removed(batch_handle batch);

// ---- outputs.c ----

void begin_outputs(void);
void set_parent(size_t row);
void finish_outputs(batch_handle batch);

// ---- host.c ----

// Tells the host what was counted, or forgets it.
void finish_metrics(bool takes_effect);

// ---- http.c ----

void free_responses(void);

#endif
