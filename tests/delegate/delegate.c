/* A small delegate for the tests, with the entry points of libedgetpu.so.1. It takes the PAD nodes of a graph.
 *
 * The option "mode" selects a fault: null (no device), prepare, run (each fails), none (takes no node), wrong (other
 * values), crash-create, crash-run, hang. With the option "unplugged" it works until the file of that name exists. */
#include "tflite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NODES = 64 };

typedef struct {
    char mode[32];
    char unplugged[512];
} Settings;

/* The PAD nodes of one part of the graph, as indices of their tensors. */
typedef struct {
    const Settings *settings;
    int count;
    struct {
        int input, margins, output;
    } pads[MAX_NODES];
} Kernel;

static bool in_mode(const Settings *settings, const char *mode) { return strcmp(settings->mode, mode) == 0; }

static void *kernel_init(TfLiteContext *context, const char *buffer, size_t length) {
    (void)length;
    const TfLiteDelegateParams *params = (const TfLiteDelegateParams *)buffer;
    Kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel) return NULL;
    kernel->settings = params->delegate->data_;
    for (int i = 0; i < params->nodes_to_replace->size && i < MAX_NODES; i++) {
        TfLiteNode *node;
        TfLiteRegistration *registration;
        context->GetNodeAndRegistration(context, params->nodes_to_replace->data[i], &node, &registration);
        kernel->pads[i].input = node->inputs->data[0];
        kernel->pads[i].margins = node->inputs->data[1];
        kernel->pads[i].output = node->outputs->data[0];
        kernel->count = i + 1;
    }
    return kernel;
}

static void kernel_free(TfLiteContext *context, void *kernel) {
    (void)context;
    free(kernel);
}

static TfLiteStatus kernel_prepare(TfLiteContext *context, TfLiteNode *node) {
    (void)context;
    return node->user_data ? kTfLiteOk : kTfLiteError;
}

/* Copies a picture (height x width x channels) into a larger one, with margins. */
static void pad(const TfLiteTensor *from, const int32_t *margins, TfLiteTensor *to, int off) {
    const int *in = from->dims->data, *out = to->dims->data;
    size_t line = (size_t)in[2] * in[3];
    memset(to->data.int8, to->params.zero_point + off, to->bytes);
    for (int y = 0; y < in[1]; y++) {
        size_t start = ((size_t)(y + margins[2]) * out[2] + margins[4]) * out[3];
        memcpy(to->data.int8 + start, from->data.int8 + y * line, line);
    }
}

static TfLiteStatus kernel_invoke(TfLiteContext *context, TfLiteNode *node) {
    const Kernel *kernel = node->user_data;
    const Settings *settings = kernel->settings;
    if (in_mode(settings, "crash-run")) abort();
    if (in_mode(settings, "hang")) for (;;) pause();
    if (in_mode(settings, "run")) return kTfLiteError;
    if (settings->unplugged[0] && access(settings->unplugged, F_OK) == 0) return kTfLiteError;
    int off = in_mode(settings, "wrong") ? 120 : 0;
    for (int i = 0; i < kernel->count; i++)
        pad(&context->tensors[kernel->pads[i].input], context->tensors[kernel->pads[i].margins].data.i32,
            &context->tensors[kernel->pads[i].output], off);
    return kTfLiteOk;
}

/* Whether pad() supports the node: int8, batch size 1, margins in height and width only. */
static bool is_ours(const TfLiteContext *context, const TfLiteNode *node, const TfLiteRegistration *registration) {
    if (registration->builtin_code != kTfLiteBuiltinPad || node->inputs->size != 2) return false;
    const TfLiteTensor *input = &context->tensors[node->inputs->data[0]];
    const int32_t *margins = context->tensors[node->inputs->data[1]].data.i32;
    return input->type == kTfLiteInt8 && input->dims->size == 4 && input->dims->data[0] == 1 && margins &&
           !(margins[0] | margins[1] | margins[6] | margins[7]);
}

static TfLiteStatus prepare(TfLiteContext *context, TfLiteDelegate *delegate) {
    if (in_mode(delegate->data_, "prepare")) return kTfLiteError;
    TfLiteIntArray *plan;
    if (context->GetExecutionPlan(context, &plan) != kTfLiteOk) return kTfLiteError;
    TfLiteIntArray *taken = malloc(sizeof *taken + MAX_NODES * sizeof(int));
    if (!taken) return kTfLiteError;
    taken->size = 0;
    for (int i = 0; i < plan->size && taken->size < MAX_NODES; i++) {
        TfLiteNode *node;
        TfLiteRegistration *registration;
        int number = plan->data[i];
        if (context->GetNodeAndRegistration(context, number, &node, &registration) == kTfLiteOk &&
            is_ours(context, node, registration) && !in_mode(delegate->data_, "none"))
            taken->data[taken->size++] = number;
    }
    TfLiteRegistration kernel = {.init = kernel_init,
                                 .free = kernel_free,
                                 .prepare = kernel_prepare,
                                 .invoke = kernel_invoke,
                                 .custom_name = "PadDelegate",
                                 .version = 1};
    TfLiteStatus status = context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel, taken, delegate);
    free(taken);
    return status;
}

__attribute__((visibility("default"))) TfLiteDelegate *tflite_plugin_create_delegate(char **keys, char **values,
                                                                                     size_t count,
                                                                                     void (*report)(const char *)) {
    TfLiteDelegate *delegate = calloc(1, sizeof *delegate);
    Settings *settings = calloc(1, sizeof *settings);
    if (!delegate || !settings) return NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i], "mode") == 0) strncpy(settings->mode, values[i], sizeof settings->mode - 1);
        if (strcmp(keys[i], "unplugged") == 0) strncpy(settings->unplugged, values[i], sizeof settings->unplugged - 1);
    }
    if (in_mode(settings, "crash-create")) *(volatile int *)16 = 1;
    if (in_mode(settings, "null")) {
        if (report) report("no device of this kind is connected");
        return NULL;
    }
    delegate->data_ = settings;
    delegate->Prepare = prepare;
    return delegate;
}

__attribute__((visibility("default"))) void tflite_plugin_destroy_delegate(TfLiteDelegate *delegate) {
    free(delegate->data_);
    free(delegate);
}
