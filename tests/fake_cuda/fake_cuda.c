/* CUDA without a GPU, for tests: memory is the host's, kernels do nothing, and every call that matters is counted.

   ONNX Runtime's CUDA provider loads against these libraries as against the real ones. It partitions graphs, plans
   memory, copies, captures and replays; only the numbers that kernels would compute are missing. Functions that are
   not defined here return 0, success in all of CUDA's libraries; `fake_cuda.build` adds them by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int status;
typedef void *pointer;
typedef unsigned long size;

static pointer made(void) { return calloc(1, 4096); }

/* What happened, a line each: "to device", "to host", "on device", "capture", "replay". */
static void tell(const char *what, size bytes) {
    const char *path = getenv("FAKE_CUDA_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "%s %lu\n", what, bytes);
    fclose(file);
}

status cudaMalloc(pointer *p, size n) { *p = aligned_alloc(256, (n + 511) / 256 * 256); return 0; }
status cudaMallocHost(pointer *p, size n) { return cudaMalloc(p, n); }
status cudaHostAlloc(pointer *p, size n, unsigned flags) { return cudaMalloc(p, n); }
status cudaMallocFromPoolAsync(pointer *p, size n, pointer pool, pointer stream) { return cudaMalloc(p, n); }
status cudaFree(pointer p) { free(p); return 0; }
status cudaFreeHost(pointer p) { free(p); return 0; }
status cudaFreeAsync(pointer p, pointer stream) { free(p); return 0; }

status cudaMemcpy(pointer to, pointer from, size n, int kind) {
    static const char *names[] = {"on host", "to device", "to host", "on device", "default"};
    tell(names[kind], n);
    memcpy(to, from, n);
    return 0;
}
status cudaMemcpyAsync(pointer to, pointer from, size n, int kind, pointer stream) { return cudaMemcpy(to, from, n, kind); }
status cudaMemset(pointer p, int value, size n) { memset(p, value, n); return 0; }
status cudaMemsetAsync(pointer p, int value, size n, pointer stream) { memset(p, value, n); return 0; }

status cudaGetDeviceCount(int *n) { *n = 1; return 0; }
status cudaGetDevice(int *n) { *n = 0; return 0; }
status cudaRuntimeGetVersion(int *n) { *n = 13000; return 0; }
status cudaDriverGetVersion(int *n) { *n = 13000; return 0; }
status cudaMemGetInfo(size *available, size *total) { *available = *total = 1UL << 34; return 0; }
/* 75 and 76 are the compute capability, 9.0. */
status cudaDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : 1024;
    return 0;
}
/* The leading fields of cudaDeviceProp in CUDA 13. */
struct properties {
    char name[256], uuid[16], luid[8];
    unsigned luid_mask;
    size memory, shared;
    int registers, warp;
    size pitch;
    int threads, block[3], grid[3];
    size constants;
    int major, minor;
};
status cudaGetDeviceProperties(pointer p, int device) {
    struct properties fake = {.name = "fake", .memory = 1UL << 34, .shared = 49152, .registers = 65536, .warp = 32,
                              .threads = 1024, .block = {1024, 1024, 64}, .grid = {2147483647, 65535, 65535}, .major = 9};
    memset(p, 0, 800);
    memcpy(p, &fake, sizeof fake);
    return 0;
}
status cudaPointerGetAttributes(pointer attributes, pointer p) { memset(attributes, 0, 24); return 0; }
const char *cudaGetErrorName(int error) { return "fake"; }
const char *cudaGetErrorString(int error) { return "fake"; }
pointer __cudaRegisterFatBinary(pointer binary) { return made(); }

status cudaStreamCreate(pointer *s) { *s = made(); return 0; }
status cudaStreamCreateWithFlags(pointer *s, unsigned flags) { *s = made(); return 0; }
status cudaEventCreate(pointer *e) { *e = made(); return 0; }
status cudaEventCreateWithFlags(pointer *e, unsigned flags) { *e = made(); return 0; }
status cudaStreamIsCapturing(pointer stream, int *state) { *state = 0; return 0; }
status cudaStreamEndCapture(pointer stream, pointer *graph) { tell("capture", 1); *graph = made(); return 0; }
status cudaGraphInstantiate(pointer *executable, pointer graph, size flags) { *executable = made(); return 0; }
status cudaGraphLaunch(pointer executable, pointer stream) { tell("replay", 1); return 0; }

status cublasCreate_v2(pointer *h) { *h = made(); return 0; }
status cublasLtCreate(pointer *h) { *h = made(); return 0; }
status cublasGetMathMode(pointer h, int *mode) { *mode = 0; return 0; }
const char *cublasGetStatusName(int code) { return "fake"; }
const char *cublasGetStatusString(int code) { return "fake"; }

status cudnnCreate(pointer *h) { *h = made(); return 0; }
size cudnnGetVersion(void) { return 91000; }
size cudnnGetCudartVersion(void) { return 13000; }
const char *cudnnGetErrorString(int code) { return "fake"; }

/* A plan for every graph of operations: descriptors are empty objects, and there is one of whatever is asked for. */
enum { DESCRIPTOR = 15 }; /* CUDNN_TYPE_BACKEND_DESCRIPTOR */
status cudnnBackendCreateDescriptor(int kind, pointer *d) { *d = made(); return 0; }
status cudnnBackendGetAttribute(pointer d, int name, int type, long wanted, long *count, pointer values) {
    if (count) *count = 1;
    if (values && wanted > 0 && type != DESCRIPTOR) memset(values, 0, 4);
    return 0;
}

/* TensorRT, which only asking for the list of all kernels loads: an object whose every method returns 0. */
static long zero(void) { return 0; }
static void *methods[400];
static struct { void **table; char rest[4096]; } object;
__attribute__((constructor)) static void fill(void) {
    for (int i = 0; i < 400; i++) methods[i] = (void *)zero;
    object.table = methods;
}
pointer createNvOnnxParserRefitter_INTERNAL(void) { return &object; }
pointer createInferRefitter_INTERNAL(void) { return &object; }
pointer createInferRuntime_INTERNAL(void) { return &object; }
pointer createNvOnnxParser_INTERNAL(void) { return &object; }
pointer createInferBuilder_INTERNAL(void) { return &object; }
pointer getPluginRegistry(void) { return &object; }
int getInferLibVersion(void) { return 101400; }
