// Write Millstream plugins in C.
//
// A plugin is a struct whose fields are columns, and a function over one row of them:
//
//     #include <millstream.h>
//
//     struct vehicle {
//         mill_nullable_double latitude; // may be null
//         double speed;                  // may not: a nullable column is refused at start-up
//         mill_text fuel_type;
//         bool speeding;
//     };
//
//     static const mill_column columns[] = {
//         MILL_COLUMN(struct vehicle, latitude, "location.lat", MILL_READ), // nested fields are dotted columns
//         MILL_COLUMN(struct vehicle, speed, "speed", MILL_READ),
//         MILL_COLUMN(struct vehicle, fuel_type, "fuelType", MILL_WRITE),   // read and written back
//         MILL_COLUMN(struct vehicle, speeding, "speeding", MILL_NEW),      // begins as 0, false or null
//     };
//
//     struct config {
//         double limit_kmh;
//     };
//
//     static const mill_setting settings[] = {
//         MILL_SETTING(struct config, limit_kmh, "limit_kmh", .fallback = "120", .description = "in km/h"),
//     };
//
//     static mill_verdict process(void *config, void *row) {
//         struct config *rules = config;
//         struct vehicle *vehicle = row;
//         if (vehicle->speed < 0) return mill_reject("`speed` is negative");
//         vehicle->speeding = vehicle->speed > rules->limit_kmh;
//         vehicle->fuel_type = mill_trim(vehicle->fuel_type);
//         return mill_keep();
//     }
//
//     const mill_plugin millstream_plugin = {
//         .name = "speeding",
//         .version = "0.1.0",
//         .config = MILL_CONFIG(struct config, settings),
//         .row = MILL_ROW(struct vehicle, columns),
//         .process = process,
//     };
//
// A plugin is stateless: what a row becomes depends on that row and the configuration alone. Memory that is
// kept between calls may be gone at any time, and rows come in batches that are cut anywhere.

#ifndef MILLSTREAM_H
#define MILLSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#error "millstream.h is C"
#endif

// ---- Values: the C types that a field of a row may have, and their columns ----

// utf8. Not terminated: there may be more bytes behind the last one.
typedef struct {
    const char *data;
    size_t length; // bytes
} mill_text;

// binary.
typedef struct {
    const uint8_t *data;
    size_t length;
} mill_binary;

// list of float64.
typedef struct {
    const double *values;
    size_t length;
} mill_doubles;

// list of utf8. An item that is null has `data` NULL; one that is empty has not.
typedef struct {
    const mill_text *items;
    size_t count;
} mill_texts;

// Days since 1970-01-01.
typedef struct {
    int32_t days;
} mill_date;

// An instant: microseconds since 1970-01-01T00:00:00Z. A column of another unit is cast by the host.
typedef struct {
    int64_t micros;
} mill_timestamp;

// A wall-clock time of a zone not stated: microseconds since 1970-01-01T00:00:00 on that clock.
typedef struct {
    int64_t micros;
} mill_local_timestamp;

// The same with nulls. Where `valid` is false, `value` is 0.
#define MILL_NULLABLE(type, name) \
    typedef struct {              \
        bool valid;               \
        type value;               \
    } name
MILL_NULLABLE(bool, mill_nullable_bool);
MILL_NULLABLE(int32_t, mill_nullable_int32);
MILL_NULLABLE(int64_t, mill_nullable_int64);
MILL_NULLABLE(float, mill_nullable_float);
MILL_NULLABLE(double, mill_nullable_double);
MILL_NULLABLE(mill_text, mill_nullable_text);
MILL_NULLABLE(mill_binary, mill_nullable_binary);
MILL_NULLABLE(mill_doubles, mill_nullable_doubles);
MILL_NULLABLE(mill_texts, mill_nullable_texts);
MILL_NULLABLE(mill_date, mill_nullable_date);
MILL_NULLABLE(mill_timestamp, mill_nullable_timestamp);
MILL_NULLABLE(mill_local_timestamp, mill_nullable_local_timestamp);
#undef MILL_NULLABLE

// Types of columns; MILL_IS_NULLABLE is added to one.
typedef enum {
    MILL_BOOLEAN,
    MILL_INT32,
    MILL_INT64,
    MILL_FLOAT32,
    MILL_FLOAT64,
    MILL_UTF8,
    MILL_BINARY,
    MILL_FLOAT64_LIST,
    MILL_UTF8_LIST,
    MILL_DATE,
    MILL_TIMESTAMP,
    MILL_LOCAL_TIMESTAMP,
    MILL_IS_NULLABLE = 16,
} mill_type;

// Column type of a C value; does not compile for a type that cannot be a column.
#define MILL_TYPE_OF(value)                                                     \
    _Generic((value),                                                           \
        bool: MILL_BOOLEAN,                                                     \
        int32_t: MILL_INT32,                                                    \
        int64_t: MILL_INT64,                                                    \
        float: MILL_FLOAT32,                                                    \
        double: MILL_FLOAT64,                                                   \
        mill_text: MILL_UTF8,                                                   \
        mill_binary: MILL_BINARY,                                               \
        mill_doubles: MILL_FLOAT64_LIST,                                        \
        mill_texts: MILL_UTF8_LIST,                                             \
        mill_date: MILL_DATE,                                                   \
        mill_timestamp: MILL_TIMESTAMP,                                         \
        mill_local_timestamp: MILL_LOCAL_TIMESTAMP,                             \
        mill_nullable_bool: MILL_IS_NULLABLE + MILL_BOOLEAN,                    \
        mill_nullable_int32: MILL_IS_NULLABLE + MILL_INT32,                     \
        mill_nullable_int64: MILL_IS_NULLABLE + MILL_INT64,                     \
        mill_nullable_float: MILL_IS_NULLABLE + MILL_FLOAT32,                   \
        mill_nullable_double: MILL_IS_NULLABLE + MILL_FLOAT64,                  \
        mill_nullable_text: MILL_IS_NULLABLE + MILL_UTF8,                       \
        mill_nullable_binary: MILL_IS_NULLABLE + MILL_BINARY,                   \
        mill_nullable_doubles: MILL_IS_NULLABLE + MILL_FLOAT64_LIST,            \
        mill_nullable_texts: MILL_IS_NULLABLE + MILL_UTF8_LIST,                 \
        mill_nullable_date: MILL_IS_NULLABLE + MILL_DATE,                       \
        mill_nullable_timestamp: MILL_IS_NULLABLE + MILL_TIMESTAMP,             \
        mill_nullable_local_timestamp: MILL_IS_NULLABLE + MILL_LOCAL_TIMESTAMP)

// ---- Columns: which ones a plugin reads and writes ----

typedef enum {
    MILL_READ = 1,
    MILL_NEW = 2,                     // written, not read: a new column, or one that replaces another's type
    MILL_WRITE = MILL_READ | MILL_NEW, // read and written back
    MILL_OPTIONAL = 4,                // with READ or WRITE, nullable: null in every row if the stream lacks it
    MILL_DROP = 8,                    // with READ: taken out of the stream
} mill_use;

typedef struct {
    const char *name;
    mill_type type;
    int use; // of mill_use, or'ed
    size_t offset;
} mill_column;

// A column that a field of a row's struct holds. Several fields may be of one column: one that reads it and
// a MILL_NEW one that replaces it.
#define MILL_COLUMN(row, field, name, use) \
    { name, MILL_TYPE_OF(((row *)0)->field), use, offsetof(row, field) }
// A column of a plugin that works on whole columns (`process_columns`).
#define MILL_WHOLE_COLUMN(type, name, use) \
    { name, MILL_TYPE_OF((type){0}), use, 0 }

#define MILL_LENGTH(array) (sizeof(array) / sizeof *(array))

// The projection: a column that is not in it never enters the plugin.
typedef struct {
    size_t size; // of the struct; 0 for whole columns
    const mill_column *columns;
    size_t count;
} mill_row;
#define MILL_ROW(row, columns) \
    { sizeof(row), columns, MILL_LENGTH(columns) }
#define MILL_WHOLE_COLUMNS(columns) \
    { 0, columns, MILL_LENGTH(columns) }

// ---- Configuration: a struct, filled from JSON. Unknown keys are refused, with their path ----

struct cJSON;

typedef struct {
    mill_text key, value;
} mill_pair;

// An object of texts.
typedef struct {
    const mill_pair *pairs;
    size_t count;
} mill_pairs;

typedef enum {
    MILL_SETTING_BOOL,
    MILL_SETTING_CHOICE, // of int: the number of a word in `choices`
    MILL_SETTING_INT64,
    MILL_SETTING_DOUBLE,
    MILL_SETTING_TEXT,
    MILL_SETTING_TEXTS,
    MILL_SETTING_PAIRS,
    MILL_SETTING_JSON,
} mill_setting_type;

// A key of the configuration. What is in it lives as long as the plugin's instance.
typedef struct {
    const char *key;
    mill_setting_type type;
    size_t offset;
    const char *description;
    const char *fallback;       // JSON of the default; without one the key is required
    const char *example;        // JSON, for keys that are required
    const char *const *choices; // of an int, ends with NULL
} mill_setting;

#define MILL_SETTING(config, field, key_, ...)          \
    {                                                   \
        .key = key_,                                    \
        .type = _Generic(((config *)0)->field,          \
            bool: MILL_SETTING_BOOL,                    \
            int: MILL_SETTING_CHOICE,                   \
            int64_t: MILL_SETTING_INT64,                \
            double: MILL_SETTING_DOUBLE,                \
            mill_text: MILL_SETTING_TEXT,               \
            mill_texts: MILL_SETTING_TEXTS,             \
            mill_pairs: MILL_SETTING_PAIRS,             \
            const struct cJSON *: MILL_SETTING_JSON),   \
        .offset = offsetof(config, field), __VA_ARGS__  \
    }
// The words of a MILL_SETTING_CHOICE, in the order of the enum's numbers.
#define MILL_CHOICES(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef struct {
    size_t size; // of the struct
    const mill_setting *settings;
    size_t count;
} mill_config;
#define MILL_CONFIG(config, settings) \
    { sizeof(config), settings, MILL_LENGTH(settings) }

// What is wrong with a configuration; every problem that is added refuses it.
typedef struct mill_problems mill_problems;
// `path` names a key: `zone`, `spellings.Hybird`.
void mill_problem(mill_problems *problems, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// ---- Verdicts ----

typedef struct {
    enum { MILL_KEEPS, MILL_DROPS, MILL_REJECTS, MILL_RETRIES, MILL_FAILS } kind;
    const char *reason;
} mill_verdict;

// The row goes on, with what was written.
static inline mill_verdict mill_keep(void) { return (mill_verdict){MILL_KEEPS, NULL}; }
// The row ends here, and is counted.
static inline mill_verdict mill_drop(void) { return (mill_verdict){MILL_DROPS, NULL}; }
// The row becomes a dead letter. Reasons are counted one by one, so they say what is wrong with which column
// and do not contain the row's values.
static inline mill_verdict mill_reject(const char *reason) { return (mill_verdict){MILL_REJECTS, reason}; }
// The whole batch is tried again a few times, and nothing of this call takes effect.
static inline mill_verdict mill_retry(const char *reason) { return (mill_verdict){MILL_RETRIES, reason}; }
// The step cannot go on: its circuit opens.
static inline mill_verdict mill_fail(const char *reason) { return (mill_verdict){MILL_FAILS, reason}; }

// Ends the call as a failure that is this row's (or batch's) fault; the dead letter shows file, line and
// message. For what cannot be; what is wrong with data is rejected. `assert` does much the same.
#define mill_abort(...) mill_abort_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void mill_abort_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// ---- Outputs: rows besides those that are kept ----

// An output: a table by its name, which has the columns of `row`, or the stream itself (NULL), whose columns are
// those of the plugin's own row and whatever else the stream has. MILL_NEW columns are written; MILL_READ ones, and
// all others of the stream, are taken from the row that is continued.
typedef struct {
    const char *name;
    mill_row row;
} mill_output;

typedef struct {
    const mill_output *outputs;
    size_t count;
} mill_outputs;
#define MILL_OUTPUTS(outputs) \
    { outputs, MILL_LENGTH(outputs) }

// Emits one row of output number `output`, made of the row in hand; any number of times. `row` is copied.
void mill_emit(size_t output, const void *row);

// ---- Whole columns: the fast path ----

// A batch. Columns are known by their number in the plugin's `row.columns`, rows by their number.
typedef struct mill_batch mill_batch;
size_t mill_rows(const mill_batch *batch);
// False for a column that is optional and not there.
bool mill_has(const mill_batch *batch, size_t column);
// The values of a column that is read, one for each row; any of them where the column is null. The size of an
// element is the column's: double, int64_t (timestamps too), int32_t (dates too), float. Booleans are bits,
// least significant first. Not for utf8, binary and lists.
const void *mill_values(mill_batch *batch, size_t column);
// A bit for each row, least significant first, 1 where it is not null; NULL if no row is.
const uint8_t *mill_validity(mill_batch *batch, size_t column);
bool mill_is_null(mill_batch *batch, size_t column, size_t row);
// One value of a column of variable length; empty where it is null.
mill_text mill_text_at(mill_batch *batch, size_t column, size_t row);
mill_binary mill_binary_at(mill_batch *batch, size_t column, size_t row);
mill_doubles mill_doubles_at(mill_batch *batch, size_t column, size_t row);
mill_texts mill_texts_at(mill_batch *batch, size_t column, size_t row);
// The values of a column that is written, all 0 to begin with, to be filled in.
void *mill_new_values(mill_batch *batch, size_t column);
void mill_set_null(mill_batch *batch, size_t column, size_t row);
// Appends the next row's value of a column of variable length; each row must be appended, in order.
void mill_append_text(mill_batch *batch, size_t column, mill_text text);
void mill_append_binary(mill_batch *batch, size_t column, mill_binary bytes);
void mill_append_doubles(mill_batch *batch, size_t column, mill_doubles list);
void mill_append_texts(mill_batch *batch, size_t column, mill_texts list);
void mill_append_null(mill_batch *batch, size_t column);
void mill_drop_row(mill_batch *batch, size_t row);
void mill_reject_row(mill_batch *batch, size_t row, const char *reason);
// As mill_emit, of row number `parent`.
void mill_emit_from(size_t output, size_t parent, const void *row);

static inline bool mill_bit(const uint8_t *bits, size_t row) { return bits[row >> 3] >> (row & 7) & 1; }
static inline void mill_set_bit(uint8_t *bits, size_t row) { bits[row >> 3] |= (uint8_t)(1 << (row & 7)); }

// ---- The plugin: defined once, as `millstream_plugin` ----

typedef struct {
    const char *name;
    const char *version;
    mill_config config; // without one, the configuration must be empty
    mill_row row;
    mill_outputs outputs;
    const char *config_schema;  // JSON schema; made of the settings if it is NULL
    const char *example_config; // JSON; made of the settings if it is NULL
    // Checks what settings cannot say, and prepares what rows need (in memory of malloc); fields of the
    // struct that no setting fills are 0. May be NULL.
    void (*configure)(void *config, mill_problems *problems);
    // One of the two. `process` gets one row after the other; only fields that are written are kept, and
    // what they point to must live until the call of the host ends: columns, constants, mill_alloc.
    mill_verdict (*process)(void *config, void *row);
    // Gets whole batches; the verdict is for the batch: mill_keep, mill_retry or mill_fail.
    mill_verdict (*process_columns)(void *config, mill_batch *batch);
    bool keeps_all_rows; // promises never to drop, reject or emit; the host can do more then
} mill_plugin;

extern const mill_plugin millstream_plugin;

// ---- Text and memory ----

// A text of a literal.
#define MILL_TEXT(literal) ((mill_text){"" literal, sizeof(literal) - 1})
// Of a string that ends with 0.
mill_text mill_text_of(const char *string);
// Without blanks around it, as Unicode has them.
mill_text mill_trim(mill_text text);
bool mill_equal(mill_text left, mill_text right);
// ASCII letters of either case are the same.
bool mill_equal_ignoring_case(mill_text left, mill_text right);
// The number that the whole text is: decimal, with an exponent or not, or inf or nan. False if it is none.
bool mill_parse_double(mill_text text, double *number);
// Memory that lives until the call of the host ends, 16-byte aligned, not cleared.
void *mill_alloc(size_t bytes);
// As printf, in such memory.
mill_text mill_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- The host's log, limited in its rate. printf is for `info`, stderr for `error` ----

typedef enum { MILL_DEBUG, MILL_INFO, MILL_WARN, MILL_ERROR } mill_level;
void mill_log(mill_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ---- Metrics, shown by the host beside its own ----

typedef struct mill_counter {
    const char *name;
    uint64_t added;
    int32_t handle;
    bool touched;
    struct mill_counter *next;
} mill_counter;
// `static mill_counter corrected = MILL_COUNTER("corrected");`
#define MILL_COUNTER(name) \
    { name, 0, 0, false, NULL }
// Adds; the host is told once a call.
void mill_count(mill_counter *counter, uint64_t added);
// Sets a value that rises and falls; a call to the host each time.
void mill_gauge(const char *name, double value);

// ---- Servers, where the file beside the plugin grants them ----

typedef struct {
    mill_text name, value;
} mill_header;

typedef struct {
    const char *method; // NULL: GET
    mill_text url;
    const mill_header *headers;
    size_t headers_count;
    mill_binary body;
} mill_request;

typedef struct {
    // MILL_DENIED and MILL_TOO_LARGE will not be mended by another try, the others may.
    enum { MILL_ANSWERED, MILL_DENIED, MILL_TIMED_OUT, MILL_TOO_LARGE, MILL_BROKEN } outcome;
    mill_text reason; // why it was not answered
    int status;
    const mill_header *headers; // names in lower case
    size_t headers_count;
    mill_binary body;
} mill_response;

// Sends all, waits for all; answers are in the order of the requests and live until the call of the host
// ends. A call may be repeated, so a server sees each request at least once. Only in `process` and
// `process_columns`.
void mill_http_send(const mill_request *requests, size_t count, mill_response *responses);

#endif
