/* The load generator: sends events over HTTP, receives notifications over WebSocket.
 *
 * Prints one JSON object a line: {"phase": "ready"} when every socket is open, then waits for a
 * line on standard input; "sending", "draining" and at last "done" with all results. It ends by
 * itself, and at once when standard input is closed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define CONNECT_LIMIT_US 120000000
#define HELLO_LIMIT_US 5000000
#define WAKE_MS 20

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void *must_allocate(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (!memory)
        fail("out of memory");
    return memory;
}

void buffer_reserve(struct buffer *buffer, size_t capacity) {
    if (buffer->capacity >= capacity)
        return;
    size_t grown = buffer->capacity * 2 > capacity ? buffer->capacity * 2 : capacity;
    buffer->data = must_allocate(buffer->data, grown);
    buffer->capacity = grown;
}

static int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t now_us(const struct load *load) { return (monotonic_ns() - load->origin_ns) / 1000; }

void watch(struct load *load, struct handler *handler, uint32_t events, bool added) {
    struct epoll_event event = {.events = events, .data.ptr = handler};
    if (epoll_ctl(load->epoll_fd, added ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, handler->fd, &event))
        fail("epoll: %s", strerror(errno));
}

int open_connection(const struct load *load) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        fail("socket: %s (raise ulimit -n)", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)load->options.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    return fd;
}

static enum mode mode_of(const char *name) {
    if (!strcmp(name, "open"))
        return MODE_OPEN;
    if (!strcmp(name, "closed"))
        return MODE_CLOSED;
    if (!strcmp(name, "hold"))
        return MODE_HOLD;
    fail("--mode is open, closed or hold, not %s", name);
}

static void option_set(struct options *o, int option) {
    switch (option) {
    case 'p': o->port = atoi(optarg); break;
    case 'k': o->key_path = optarg; break;
    case 't': o->tokens_path = optarg; break;
    case 'n': o->recipients = strtoull(optarg, NULL, 10); break;
    case 'm': o->mode = mode_of(optarg); break;
    case 'r': o->rate = atof(optarg); break;
    case 'b': o->batch = atoi(optarg); break;
    case 'c': o->senders = atoi(optarg); break;
    case 's': o->seconds = atof(optarg); break;
    case 'w': o->warmup = atof(optarg); break;
    case 'd': o->drain = atof(optarg); break;
    case 'g': o->tag = optarg; break;
    case 'y': o->type = optarg; break;
    case 'x': o->reconnect = atof(optarg); break;
    case 'e': o->event_bytes = atoi(optarg); break;
    case '1': o->single = true; break;
    case 'f': o->batch_frames = true; break;
    case 'a': o->acknowledge = true; break;
    default: exit(2);
    }
}

static void options_check(const struct options *o) {
    if (o->port < 1 || !o->key_path || !o->tag)
        fail("--port, --key-file and --tag are needed");
    if (strlen(o->tag) > 32)
        fail("--tag has at most 32 characters");
    if (o->mode != MODE_HOLD && !o->tokens_path && !o->recipients)
        fail("--tokens or --recipients is needed");
    if (o->batch < 1 || o->batch > 10000 || (o->single && o->batch != 1))
        fail("--batch is 1 to 10000, and 1 with --single");
    if (o->senders < 0 || o->senders > 10000 || (o->mode != MODE_HOLD && !o->senders))
        fail("--senders is 1 to 10000");
    if (o->seconds <= 0 || o->seconds > 3600 || o->drain < 0 || o->drain > 600)
        fail("--seconds is above 0 and at most 3600, --drain at most 600");
    if (strlen(o->type) > 64 || o->reconnect < 0)
        fail("--type has at most 64 characters, --reconnect is not negative");
    if (o->event_bytes < 0 || o->event_bytes > 1 << 20)
        fail("--event-bytes is at most 1 MiB");
    if (o->mode == MODE_OPEN && (o->rate <= 0 || o->rate * o->seconds > 2e8))
        fail("--rate is above 0, and rate times seconds at most 200 million");
}

static void options_read(struct options *o, int argc, char **argv) {
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},       {"key-file", required_argument, NULL, 'k'},
        {"tokens", required_argument, NULL, 't'},     {"recipients", required_argument, NULL, 'n'},
        {"mode", required_argument, NULL, 'm'},       {"rate", required_argument, NULL, 'r'},
        {"batch", required_argument, NULL, 'b'},      {"senders", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},    {"warmup", required_argument, NULL, 'w'},
        {"drain", required_argument, NULL, 'd'},      {"tag", required_argument, NULL, 'g'},
        {"event-bytes", required_argument, NULL, 'e'}, {"type", required_argument, NULL, 'y'},
        {"reconnect", required_argument, NULL, 'x'},  {"single", no_argument, NULL, '1'},
        {"batch-frames", no_argument, NULL, 'f'},     {"acknowledge", no_argument, NULL, 'a'},
        {NULL, 0, NULL, 0}};
    *o = (struct options){.batch = 1, .senders = 16, .event_bytes = 550, .seconds = 10, .drain = 10,
                          .type = "bench.order"};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        option_set(o, option);
    options_check(o);
}

static void key_read(struct load *load) {
    FILE *file = fopen(load->options.key_path, "r");
    if (!file || fscanf(file, "%511s", load->key) != 1)
        fail("cannot read a key from %s", load->options.key_path);
    fclose(file);
}

static void phase_set(struct load *load, enum phase phase, const char *name) {
    load->phase = phase;
    load->phase_since_us = now_us(load);
    printf("{\"phase\": \"%s\", \"sockets_open\": %u, \"hellos\": %llu}\n", name,
           load->client_open, (unsigned long long)load->counts.hellos);
    fflush(stdout);
}

static void begin(struct load *load) {
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line);
    if (n <= 0)
        fail("standard input was closed: the harness has gone");
    if (load->phase != PHASE_READY)
        return;
    /* Not earlier: a server may close a connection on which nothing is said for seconds. */
    senders_open(load);
    load->start_us = now_us(load);
    load->batches_planned =
        (uint64_t)(load->options.seconds * load->options.rate / load->options.batch);
    phase_set(load, PHASE_SENDING, "sending");
    senders_pump(load);
}

static void setup(struct load *load) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    load->origin_ns = monotonic_ns();
    key_read(load);
    load->needle_length = (size_t)snprintf(load->needle, sizeof load->needle, "Order %s-",
                                           load->options.tag);
    load->events_capacity = 1 << 20;
    load->events = must_allocate(NULL, load->events_capacity);
    memset(load->events, 0, load->events_capacity);
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    load->timer = (struct handler){KIND_TIMER, load->timer_fd};
    load->standard_input = (struct handler){KIND_STDIN, STDIN_FILENO};
    watch(load, &load->timer, EPOLLIN, true);
    watch(load, &load->standard_input, EPOLLIN, true);
    clients_load(load);
    if (load->options.mode == MODE_HOLD)
        load->options.senders = 0;
}

static void dispatch(struct load *load, struct handler *handler, uint32_t events) {
    uint64_t expirations;
    switch (handler->kind) {
    case KIND_TIMER:
        if (read(load->timer_fd, &expirations, sizeof expirations) > 0)
            senders_pump(load);
        break;
    case KIND_STDIN: begin(load); break;
    case KIND_SENDER: sender_ready(load, (struct sender *)handler, events); break;
    case KIND_CLIENT: client_ready(load, (struct client *)handler, events); break;
    }
}

static void check_connected(struct load *load) {
    clients_connect(load);
    int64_t waited = now_us(load) - load->phase_since_us;
    uint64_t settled = load->client_open + load->counts.handshakes_failed + load->counts.closed;
    if (settled >= load->client_count) {
        if (load->counts.hellos >= load->client_open || waited > HELLO_LIMIT_US)
            phase_set(load, PHASE_READY, "ready");
    } else if (waited > CONNECT_LIMIT_US) {
        fail("only %u of %u sockets opened in time", load->client_open, load->client_count);
    }
}

static void check_drained(struct load *load) {
    int64_t waited = now_us(load) - load->phase_since_us;
    bool complete = !load->client_count || load->counts.received >= load->counts.accepted;
    bool held = load->options.mode == MODE_HOLD;
    if (load->options.reconnect > 0 && load->client_open < load->client_count)
        complete = false; /* they are all to come back */
    if (held || (senders_idle(load) && complete) || waited > (int64_t)(load->options.drain * 1e6))
        load->phase = PHASE_DONE;
}

static void advance(struct load *load) {
    clients_return(load);
    if (load->phase == PHASE_CONNECTING)
        check_connected(load);
    else if (load->phase == PHASE_SENDING) {
        senders_pump(load);
        if (load->sending_ended_us)
            phase_set(load, PHASE_DRAINING, "draining");
    } else if (load->phase == PHASE_DRAINING)
        check_drained(load);
}

int main(int argc, char **argv) {
    struct load *load = calloc(1, sizeof *load);
    if (!load)
        fail("out of memory");
    options_read(&load->options, argc, argv);
    setup(load);
    struct epoll_event ready[512];
    while (load->phase != PHASE_DONE) {
        advance(load);
        int count = epoll_wait(load->epoll_fd, ready, 512, WAKE_MS);
        for (int i = 0; i < count; i++)
            dispatch(load, ready[i].data.ptr, ready[i].events);
    }
    for (int i = 0; i < load->options.senders; i++)
        load->counts.unanswered += load->senders[i].busy ? (uint64_t)load->options.batch : 0;
    report_print(load);
    return 0;
}
