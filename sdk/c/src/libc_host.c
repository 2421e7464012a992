// What wasi-libc asks of the system, answered here, so that a plugin imports nothing but millstream:plugin.
// What is written to stdout and stderr becomes lines of the host's log. There are no files and no environment;
// asking for the time or for entropy ends the call.

#include "internal.h"
#include <stdint.h>
#include <string.h>

#ifdef __wasm__

enum { LINE_BYTES_MAX = 512, STDOUT = 1, STDERR = 2 };
// Numbers of WASI preview 1.
enum { OK = 0, BAD_DESCRIPTOR = 8, NOT_SUPPORTED = 58 };

struct line {
    size_t length;
    char bytes[LINE_BYTES_MAX];
};

static void end_line(struct line *line, millstream_plugin_log_level_t level) {
    bindings_string_t text = {(uint8_t *)line->bytes, line->length};
    mend_text(line->bytes, line->length);
    if (line->length > 0) millstream_plugin_log_log(level, &text);
    line->length = 0;
}

static void write_line(struct line *line, millstream_plugin_log_level_t level, const char *bytes, size_t length) {
    for (size_t at = 0; at < length; at++) {
        if (bytes[at] == '\n' || line->length == LINE_BYTES_MAX) end_line(line, level);
        if (bytes[at] != '\n') line->bytes[line->length++] = bytes[at];
    }
}

struct span {
    const char *bytes;
    size_t length;
};

int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t file, int32_t spans, int32_t count, int32_t written) {
    static struct line lines[STDERR + 1];
    if (file != STDOUT && file != STDERR) return BAD_DESCRIPTOR;
    const struct span *from = (const struct span *)spans;
    uint8_t level = file == STDERR ? MILLSTREAM_PLUGIN_LOG_LEVEL_ERROR : MILLSTREAM_PLUGIN_LOG_LEVEL_INFO;
    size_t total = 0;
    for (int32_t at = 0; at < count; at++) {
        write_line(&lines[file], level, from[at].bytes, from[at].length);
        total += from[at].length;
    }
    *(size_t *)written = total;
    return OK;
}

// Says that stdout and stderr are terminals, so that each line is written when it ends.
int32_t __imported_wasi_snapshot_preview1_fd_fdstat_get(int32_t file, int32_t status) {
    enum { STATUS_BYTES = 24, CHARACTER_DEVICE = 2 };
    if (file != STDOUT && file != STDERR) return BAD_DESCRIPTOR;
    memset((void *)status, 0, STATUS_BYTES);
    *(uint8_t *)status = CHARACTER_DEVICE;
    return OK;
}

int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t file) {
    (void)file;
    return OK;
}

int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t file, int64_t offset, int32_t whence, int32_t position) {
    (void)file, (void)offset, (void)whence, (void)position;
    return NOT_SUPPORTED;
}

int32_t __imported_wasi_snapshot_preview1_environ_sizes_get(int32_t count, int32_t bytes) {
    *(size_t *)count = *(size_t *)bytes = 0;
    return OK;
}

int32_t __imported_wasi_snapshot_preview1_environ_get(int32_t variables, int32_t bytes) {
    (void)variables, (void)bytes;
    return OK;
}

int32_t __imported_wasi_snapshot_preview1_clock_time_get(int32_t clock, int64_t precision, int32_t time) {
    (void)clock, (void)precision, (void)time;
    mill_abort("plugins have no clock: read `_timestamp` or a column");
}

int32_t __imported_wasi_snapshot_preview1_random_get(int32_t bytes, int32_t length) {
    (void)bytes, (void)length;
    mill_abort("plugins have no entropy: the same rows must become the same, whenever they are processed");
}

_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t status) {
    (void)status;
    __builtin_trap();
}

#endif
