// The plugin's exports: describe, configure, process. What the author declared stands in `millstream_plugin`.

#include "internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *config;         // NULL until configured
static column_place *places; // by number in the plugin's row

void add_problem(mill_problems *problems, mill_text path, mill_text message) {
    size_t bytes = (problems->count + 1) * sizeof *problems->list;
    problems->list = reallocated(problems->list, bytes);
    exports_millstream_plugin_plugin_config_problem_t *added = &problems->list[problems->count++];
    set_string(&added->path, path);
    set_string(&added->message, message);
}

void mill_problem(mill_problems *problems, const char *path, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    add_problem(problems, mill_text_of(path), mill_text_of(message));
}

// What the compiler cannot check of the author's declarations.
static void check_declarations(void) {
    const mill_row *row = &millstream_plugin.row;
    for (size_t at = 0; at < row->count; at++) {
        const mill_column *column = &row->columns[at];
        if ((column->use & MILL_OPTIONAL) && !is_nullable(column->type)) {
            mill_abort("column `%s` is optional, so its field must be of a mill_nullable type", column->name);
        }
    }
    bool by_row = millstream_plugin.process != NULL;
    if (by_row == (millstream_plugin.process_columns != NULL)) {
        mill_abort("a plugin has one of `process` and `process_columns`");
    }
    if (by_row && row->size == 0) mill_abort("a plugin that processes rows declares them with MILL_ROW");
}

// Gives a text to the host, which frees it.
static void hand_over(bindings_string_t *to, const char *declared, char *(*made)(void)) {
    char *own = declared == NULL ? made() : NULL;
    set_string(to, mill_text_of(own != NULL ? own : declared));
    free(own);
}

void exports_millstream_plugin_plugin_describe(exports_millstream_plugin_plugin_about_t *about) {
    check_declarations();
    set_string(&about->name, mill_text_of(millstream_plugin.name));
    set_string(&about->version, mill_text_of(millstream_plugin.version));
    about->config_schema.is_some = true;
    hand_over(&about->config_schema.val, millstream_plugin.config_schema, config_schema);
    hand_over(&about->example_config, millstream_plugin.example_config, example_config);
}

// Fills the configuration, and says what is wrong with it or with the inputs.
static void check_all(const bindings_string_t *json, const exports_millstream_plugin_plugin_list_input_t *inputs,
                      mill_problems *problems) {
    config = read_config((mill_text){(const char *)json->ptr, json->len}, problems);
    if (problems->count == 0 && millstream_plugin.configure != NULL) millstream_plugin.configure(config, problems);
    if (inputs->len == 1) {
        check_input(inputs->ptr, problems);
    } else {
        mill_problem(problems, "inputs", "this plugin takes one input, not %zu", inputs->len);
    }
}

bool exports_millstream_plugin_plugin_configure(bindings_string_t *json,
                                                exports_millstream_plugin_plugin_list_input_t *inputs,
                                                plugin_plan *plan,
                                                exports_millstream_plugin_plugin_list_config_problem_t *found) {
    mill_problems problems = {0};
    check_all(json, inputs, &problems);
    if (problems.count == 0) {
        places = make_places(inputs->ptr);
        make_plan(inputs->ptr, places, plan);
    } else {
        config = NULL;
        found->ptr = problems.list;
        found->len = problems.count;
    }
    bindings_string_free(json);
    exports_millstream_plugin_plugin_list_input_free(inputs);
    free_call_memory();
    return problems.count == 0;
}

bool exports_millstream_plugin_plugin_process(uint32_t input, batch_handle batch, call_error *error) {
    (void)input;
    mill_verdict verdict = mill_fail("process was called before configure");
    if (config != NULL) verdict = run_batch(batch, places, config);
    if (verdict.kind != MILL_KEEPS) {
        bool retries = verdict.kind == MILL_RETRIES;
        error->tag = retries ? MILLSTREAM_PLUGIN_TYPES_ERROR_RETRY : MILLSTREAM_PLUGIN_TYPES_ERROR_FATAL;
        set_string(&error->val.fatal, mill_text_of(verdict.reason));
    }
    if (config != NULL) close_batch();
    millstream_plugin_batches_batch_drop_borrow(batch);
    return verdict.kind == MILL_KEEPS;
}
