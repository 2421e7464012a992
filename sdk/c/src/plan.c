// The plan: which columns of the input the plugin reads, writes and drops, and what it emits. A column that is
// optional and that the stream lacks is left out, so columns have places of their own in the plan.

#include "internal.h"
#include <string.h>

static bool has(const field_list *fields, const char *name, const exports_millstream_plugin_plugin_field_t **found) {
    for (size_t at = 0; at < fields->len; at++) {
        const bindings_string_t *field = &fields->ptr[at].name;
        if (!mill_equal((mill_text){(const char *)field->ptr, field->len}, mill_text_of(name))) continue;
        if (found != NULL) *found = &fields->ptr[at];
        return true;
    }
    return false;
}

// The host's own columns are always there.
static bool is_system(const mill_column *column) { return column->name[0] == '_'; }

static bool is_planned(const mill_column *column, const field_list *fields) {
    if (!(column->use & MILL_READ)) return false;
    return !(column->use & MILL_OPTIONAL) || is_system(column) || has(fields, column->name, NULL);
}

static mill_text names(const field_list *fields) {
    mill_text list = MILL_TEXT("none");
    for (size_t at = 0; at < fields->len; at++) {
        const bindings_string_t *name = &fields->ptr[at].name;
        int before = at == 0 ? 0 : (int)list.length;
        list = mill_format("%.*s%s`%.*s`", before, list.data, at == 0 ? "" : ", ", (int)name->len, name->ptr);
    }
    return list;
}

static void check_read(const plugin_input *input, const mill_column *column, mill_problems *problems) {
    const exports_millstream_plugin_plugin_field_t *field = NULL;
    bool is_there = has(&input->fields, column->name, &field);
    bool is_missing = !is_there && !(column->use & MILL_OPTIONAL);
    bool may_be_null = is_there && field->nullable && !is_nullable(column->type);
    mill_text path = mill_format("inputs.%.*s.%s", (int)input->name.len, input->name.ptr, column->name);
    if (is_missing) {
        mill_text has_names = names(&input->fields);
        add_problem(problems, path,
                    mill_format("the input has no column `%s`; it has %.*s", column->name, (int)has_names.length,
                                has_names.data));
    } else if (may_be_null) {
        add_problem(problems, path,
                    mill_format("column `%s` may be null, but this plugin needs a value: declare it as required",
                                column->name));
    }
}

void check_input(const plugin_input *input, mill_problems *problems) {
    for (size_t at = 0; at < millstream_plugin.row.count; at++) {
        const mill_column *column = &millstream_plugin.row.columns[at];
        if ((column->use & MILL_READ) && !is_system(column)) check_read(input, column, problems);
    }
}

column_place *make_places(const plugin_input *input) {
    size_t count = millstream_plugin.row.count;
    column_place *places = allocated(count * sizeof *places);
    int32_t reads = 0, writes = 0;
    for (size_t at = 0; at < count; at++) {
        const mill_column *column = &millstream_plugin.row.columns[at];
        places[at].read = is_planned(column, &input->fields) ? reads++ : -1;
        places[at].write = column->use & MILL_NEW ? writes++ : -1;
    }
    return places;
}

static millstream_plugin_types_data_type_t data_type(mill_type type) {
    static const uint8_t tags[] = {
        [MILL_BOOLEAN] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_BOOLEAN,
        [MILL_INT32] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_INT32,
        [MILL_INT64] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_INT64,
        [MILL_FLOAT32] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_FLOAT32,
        [MILL_FLOAT64] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_FLOAT64,
        [MILL_UTF8] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_UTF8,
        [MILL_BINARY] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_BINARY,
        [MILL_FLOAT64_LIST] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_FLOAT64_LIST,
        [MILL_UTF8_LIST] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_UTF8_LIST,
        [MILL_DATE] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_DATE,
        [MILL_TIMESTAMP] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_TIMESTAMP,
        [MILL_LOCAL_TIMESTAMP] = MILLSTREAM_PLUGIN_TYPES_DATA_TYPE_TIMESTAMP,
    };
    millstream_plugin_types_data_type_t data_type = {.tag = tags[base_type(type)]};
    data_type.val.timestamp.unit = MILLSTREAM_PLUGIN_TYPES_TIME_UNIT_MICRO;
    data_type.val.timestamp.utc = base_type(type) == MILL_TIMESTAMP;
    return data_type;
}

static void *list_of(size_t count, size_t size) {
    void *list = count > 0 ? allocated(count * size) : NULL;
    if (list != NULL) memset(list, 0, count * size);
    return list;
}

static field_list room_for_fields(size_t count) {
    return (field_list){list_of(count, sizeof(exports_millstream_plugin_plugin_field_t)), 0};
}

static void add_field(field_list *fields, const mill_column *column) {
    exports_millstream_plugin_plugin_field_t *field = &fields->ptr[fields->len++];
    set_string(&field->name, mill_text_of(column->name));
    field->ty = data_type(column->type);
    field->nullable = is_nullable(column->type);
}

static exports_millstream_plugin_plugin_input_plan_t input_plan(const column_place *places) {
    size_t count = millstream_plugin.row.count;
    exports_millstream_plugin_plugin_input_plan_t own = {
        .reads = room_for_fields(count),
        .writes = room_for_fields(count),
        .drops = {list_of(count, sizeof(bindings_string_t)), 0},
        .row_preserving = millstream_plugin.keeps_all_rows,
    };
    for (size_t at = 0; at < count; at++) {
        const mill_column *column = &millstream_plugin.row.columns[at];
        if (places[at].read >= 0) add_field(&own.reads, column);
        if (places[at].write >= 0) add_field(&own.writes, column);
        if (places[at].read < 0 || !(column->use & MILL_DROP)) continue;
        set_string(&own.drops.ptr[own.drops.len++], mill_text_of(column->name));
    }
    return own;
}

static exports_millstream_plugin_plugin_output_t output_plan(const mill_output *output, const plugin_input *input) {
    exports_millstream_plugin_plugin_output_t planned = {.fields = room_for_fields(output->row.count)};
    mill_text stream = {(const char *)input->name.ptr, input->name.len};
    set_string(&planned.name, output->name == NULL ? stream : mill_text_of(output->name));
    for (size_t at = 0; at < output->row.count; at++) add_field(&planned.fields, &output->row.columns[at]);
    return planned;
}

void make_plan(const plugin_input *input, const column_place *places, plugin_plan *plan) {
    size_t outputs = millstream_plugin.outputs.count;
    *plan = (plugin_plan){
        .inputs = {list_of(1, sizeof *plan->inputs.ptr), 1},
        .outputs = {list_of(outputs, sizeof *plan->outputs.ptr), outputs},
    };
    plan->inputs.ptr[0] = input_plan(places);
    for (size_t at = 0; at < outputs; at++) {
        plan->outputs.ptr[at] = output_plan(&millstream_plugin.outputs.outputs[at], input);
    }
}
