// What a plugin tells the host besides rows: log lines, metrics, and why it gives up.

#include "internal.h"
#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES_MAX = 1024 };

static void log_text(mill_level level, char *bytes, int length) {
    size_t shown = length < 0 ? 0 : length < MESSAGE_BYTES_MAX ? (size_t)length : MESSAGE_BYTES_MAX - 1;
    mend_text(bytes, shown);
    bindings_string_t text = {(uint8_t *)bytes, shown};
    millstream_plugin_log_log((millstream_plugin_log_level_t)level, &text);
}

void mill_log(mill_level level, const char *format, ...) {
    if (!millstream_plugin_log_enabled((millstream_plugin_log_level_t)level)) return;
    char message[MESSAGE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    log_text(level, message, length);
}

// The host knows how Rust's panics begin, and shows what follows as the reason of the dead letter.
_Noreturn void mill_abort_at(const char *file, int line, const char *format, ...) {
    char message[MESSAGE_BYTES_MAX];
    int length = snprintf(message, sizeof message, "panicked at %s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    size_t begun = length < MESSAGE_BYTES_MAX ? (size_t)length : MESSAGE_BYTES_MAX - 1;
    length = (int)begun + vsnprintf(message + begun, sizeof message - begun, format, arguments);
    va_end(arguments);
    log_text(MILL_ERROR, message, length);
    __builtin_trap();
}

static mill_counter *touched;

void mill_count(mill_counter *counter, uint64_t added) {
    counter->added += added;
    if (counter->touched) return;
    counter->touched = true;
    counter->next = touched;
    touched = counter;
}

// A counter is made in the host when it is first added to, and kept; its handle is known by one more, so that 0
// is none.
static void add_to(mill_counter *counter) {
    if (counter->handle == 0) {
        bindings_string_t name;
        bindings_string_set(&name, counter->name);
        counter->handle = millstream_plugin_metrics_constructor_counter(&name).__handle + 1;
    }
    millstream_plugin_metrics_own_counter_t handle = {counter->handle - 1};
    millstream_plugin_metrics_method_counter_add(millstream_plugin_metrics_borrow_counter(handle), counter->added);
}

void finish_metrics(bool takes_effect) {
    for (; touched != NULL; touched = touched->next) {
        if (takes_effect) add_to(touched);
        touched->added = 0;
        touched->touched = false;
    }
}

void mill_gauge(const char *name, double value) {
    bindings_string_t text;
    bindings_string_set(&text, name);
    millstream_plugin_metrics_own_gauge_t gauge = millstream_plugin_metrics_constructor_gauge(&text);
    millstream_plugin_metrics_method_gauge_set(millstream_plugin_metrics_borrow_gauge(gauge), value);
    millstream_plugin_metrics_gauge_drop_own(gauge);
}
