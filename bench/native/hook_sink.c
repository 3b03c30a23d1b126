/*
 * A receiver of webhooks that takes everything and keeps nothing, for the case `webhook`.
 *
 * Answers every request with 204 and keeps connections open. Listens on 127.0.0.1, prints its port,
 * and serves until its standard input ends; then it prints how many requests and bytes it took, how
 * many of them were signed, and over how many connections.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 262144
#define EVENTS 64

struct client {
    int fd;
    size_t held;
    char data[BUFFER];
};

static unsigned long requests, bytes, signatures, connections;

static const char ANSWER[] = "HTTP/1.1 204 No Content\r\n\r\n";

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* The length of the first request in the buffer, 0 while it has not come whole. */
static size_t whole(struct client *client) {
    char *end = memmem(client->data, client->held, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *length = strcasestr(client->data, "\r\ncontent-length:");
    size_t body = length ? strtoul(length + 17, NULL, 10) : 0;
    int is_signed = strcasestr(client->data, "\r\nwebhook-signature: v1,") != NULL;
    *end = '\r';
    size_t size = (size_t)(end - client->data) + 4 + body;
    if (client->held < size) return 0;
    signatures += (unsigned long)is_signed;
    return size;
}

static int take(struct client *client) {
    ssize_t length = read(client->fd, client->data + client->held, BUFFER - 1 - client->held);
    if (length <= 0) return 0;
    client->held += (size_t)length;
    bytes += (unsigned long)length;
    client->data[client->held] = 0;
    for (size_t size; (size = whole(client));) {
        requests++;
        client->held -= size;
        memmove(client->data, client->data + size, client->held + 1);
        if (write(client->fd, ANSWER, sizeof ANSWER - 1) != sizeof ANSWER - 1) return 0;
    }
    return client->held < BUFFER - 1;
}

static void watch(int poll, int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static void welcome(int poll, int listening) {
    int one = 1;
    struct client *client = malloc(sizeof *client);
    if (!client) fail("malloc");
    client->held = 0;
    client->fd = accept(listening, NULL, NULL);
    if (client->fd < 0) fail("accept");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections++;
    watch(poll, client->fd, client);
}

static void serve(int poll, int listening) {
    static int ending;
    struct epoll_event events[EVENTS];
    watch(poll, listening, NULL);
    watch(poll, STDIN_FILENO, &ending);
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS, -1);
        for (int n = 0; n < count; n++) {
            void *what = events[n].data.ptr;
            if (what == &ending) return;
            if (what == NULL) {
                welcome(poll, listening);
                continue;
            }
            struct client *client = what;
            if (!take(client)) {
                close(client->fd);
                free(client);
            }
        }
        if (count < 0 && errno != EINTR) fail("epoll_wait");
    }
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listening, (struct sockaddr *)&address, size)) fail("bind");
    if (listen(listening, 1024)) fail("listen");
    getsockname(listening, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    serve(epoll_create1(0), listening);
    printf("%lu %lu %lu %lu\n", requests, bytes, signatures, connections);
    return 0;
}
