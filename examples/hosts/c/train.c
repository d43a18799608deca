/* Trains an exported LeNet with ONNX Runtime's C library: train ARTIFACT DIGITS LEARNING_RATE
 *
 * The models' own names are all that it needs to know: the output NAME.next is the new value of the state NAME. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxruntime_c_api.h"

enum { STEPS = 50, BATCH = 64, TEST = 2000, SIDE = 28, MOST = 256 };

typedef struct {
  size_t count;
  char *names[MOST];
  OrtValue *values[MOST];
} Values;

typedef struct {
  OrtSession *session;
  Values inputs, outputs;
} Model;

static const OrtApi *ort;
static OrtEnv *env;
static OrtAllocator *allocator;
static OrtMemoryInfo *memory;

static void fail(const char *what) {
  fprintf(stderr, "train: %s\n", what);
  exit(1);
}

static void check(OrtStatus *status) {
  if (status) fail(ort->GetErrorMessage(status));
}

static OrtValue **find(Values *among, const char *name) {
  for (size_t i = 0; i < among->count; i++)
    if (!strcmp(among->names[i], name)) return &among->values[i];
  return NULL;
}

static void release(Values *values) {
  for (size_t i = 0; i < values->count; i++)
    if (values->values[i]) ort->ReleaseValue(values->values[i]);
  memset(values->values, 0, sizeof values->values);
}

static Model open_model(const char *artifact, const char *file) {
  Model model = {0};
  OrtSessionOptions *options;
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", artifact, file);
  check(ort->CreateSessionOptions(&options));
  check(ort->CreateSession(env, path, options, &model.session));
  check(ort->SessionGetInputCount(model.session, &model.inputs.count));
  check(ort->SessionGetOutputCount(model.session, &model.outputs.count));
  if (model.inputs.count > MOST || model.outputs.count > MOST) fail("a model has more values than MOST");
  for (size_t i = 0; i < model.inputs.count; i++)
    check(ort->SessionGetInputName(model.session, i, allocator, &model.inputs.names[i]));
  for (size_t i = 0; i < model.outputs.count; i++)
    check(ort->SessionGetOutputName(model.session, i, allocator, &model.outputs.names[i]));
  return model;
}

/* One call. Inputs are looked up among `feeds` and the state; new values take their places in the state. */
static void run(Model *model, Values *feeds, Values *state) {
  Values *in = &model->inputs, *out = &model->outputs;
  for (size_t i = 0; i < in->count; i++) {
    OrtValue **value = find(feeds, in->names[i]);
    if (!value) value = find(state, in->names[i]);
    if (!value) fail(in->names[i]);
    in->values[i] = *value;
  }
  release(out);
  check(ort->Run(model->session, NULL, (const char *const *)in->names, (const OrtValue *const *)in->values,
                 in->count, (const char *const *)out->names, out->count, out->values));
  for (size_t i = 0; i < state->count; i++) {
    char next[512];
    if (snprintf(next, sizeof next, "%s.next", state->names[i]) >= (int)sizeof next) fail(state->names[i]);
    OrtValue **value = find(out, next);
    if (!value) continue;
    ort->ReleaseValue(state->values[i]);
    state->values[i] = *value;
    *value = NULL;
  }
}

static void *data_of(OrtValue **value) {
  void *data;
  if (!value) fail("a model lacks a result");
  check(ort->GetTensorMutableData(*value, &data));
  return data;
}

/* Add a tensor over `data` of shape [], [rows] or [rows, 28, 28]. */
static void feed(Values *feeds, char *name, void *data, size_t bytes, ONNXTensorElementDataType type, size_t rank,
                 int64_t rows) {
  int64_t shape[] = {rows, SIDE, SIDE};
  feeds->names[feeds->count] = name;
  check(ort->CreateTensorWithDataAsOrtValue(memory, data, bytes, shape, rank, type, &feeds->values[feeds->count++]));
}

/* Read `rows` digits of MNIST's files: a header of 16 or 8 bytes, then a byte for each pixel or label. */
static void read_digits(Values *feeds, const char *folder, const char *part, size_t first, size_t rows) {
  static unsigned char pixels[TEST * SIDE * SIDE], bytes[TEST];
  static int64_t labels[TEST];
  release(feeds);
  feeds->count = 0;
  for (int i = 0; i < 2; i++) {
    char path[4096];
    size_t size = i ? 1 : SIDE * SIDE;
    snprintf(path, sizeof path, "%s/%s-%s-ubyte", folder, part, i ? "labels-idx1" : "images-idx3");
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, (i ? 8 : 16) + first * size, SEEK_SET)) fail(path);
    if (fread(i ? bytes : pixels, size, rows, file) != rows) fail(path);
    fclose(file);
  }
  for (size_t i = 0; i < rows; i++) labels[i] = bytes[i];
  feed(feeds, "images", pixels, rows * SIDE * SIDE, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, 3, rows);
  feed(feeds, "labels", labels, rows * sizeof *labels, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, 1, rows);
}

int main(int count, char **arguments) {
  if (count != 4) fail("arguments: ARTIFACT DIGITS LEARNING_RATE");
  ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (!ort) fail("the library of ONNX Runtime is older than the header");
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "train", &env));
  check(ort->GetAllocatorWithDefaultOptions(&allocator));
  check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  Model init = open_model(arguments[1], "init.onnx"), train = open_model(arguments[1], "train.onnx");
  Model evaluate = open_model(arguments[1], "eval.onnx");
  Values feeds = {0}, none = {0};
  int64_t seed = 0;
  feed(&feeds, "seed", &seed, sizeof seed, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, 0, 0);
  run(&init, &feeds, &none);
  Values *state = &init.outputs;
  float rate = strtof(arguments[3], NULL);
  for (int step = 0; step < STEPS; step++) {
    read_digits(&feeds, arguments[2], "train", step * BATCH, BATCH);
    feed(&feeds, "lr", &rate, sizeof rate, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, 0, 0);
    run(&train, &feeds, state);
    if (!*(unsigned char *)data_of(find(&train.outputs, "valid"))) fail("a label is out of range");
    printf("step %d loss %f\n", step, *(float *)data_of(find(&train.outputs, "loss")));
  }
  read_digits(&feeds, arguments[2], "t10k", 0, TEST);
  run(&evaluate, &feeds, state);
  long long correct = *(int64_t *)data_of(find(&evaluate.outputs, "correct"));
  printf("test loss %f, %lld of %d recognized\n", *(float *)data_of(find(&evaluate.outputs, "loss")), correct, TEST);
}
