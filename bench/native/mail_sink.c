/*
 * A mail server that takes everything and keeps nothing, for the case `email`.
 *
 * It speaks what a relay speaks: EHLO with PIPELINING and SIZE, AUTH PLAIN with any credentials,
 * MAIL, RCPT, DATA, RSET, QUIT. Listens on 127.0.0.1, prints its port, and serves until its
 * standard input ends; then it prints how many letters and bytes it took, and over how many
 * connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 65536
#define EVENTS 64

struct client {
    int fd;
    int in_letter;
    int match; /* how much of CRLF . CRLF was seen */
    size_t held;
    char line[4096];
};

static unsigned long letters, bytes, connections;

static const char END[] = "\r\n.\r\n";

static void fail(const char *what) {
    perror(what);
    exit(1);
}

struct out {
    size_t used;
    char data[BUFFER];
};

static void say(struct out *out, const char *text) {
    size_t length = strlen(text);
    if (out->used + length > sizeof out->data) exit(1);
    memcpy(out->data + out->used, text, length);
    out->used += length;
}

/* 0 when the client says goodbye */
static int command(struct client *client, struct out *out) {
    const char *line = client->line;
    if (!strncasecmp(line, "EHLO", 4)) {
        say(out, "250-sink\r\n250-PIPELINING\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n"
                 "250-AUTH PLAIN\r\n250 ENHANCEDSTATUSCODES\r\n");
    } else if (!strncasecmp(line, "AUTH", 4)) {
        say(out, "235 2.7.0 welcome\r\n");
    } else if (!strncasecmp(line, "DATA", 4)) {
        say(out, "354 go on\r\n");
        client->in_letter = 1;
        client->match = 2; /* a letter may be nothing but its end */
    } else if (!strncasecmp(line, "QUIT", 4)) {
        say(out, "221 2.0.0 bye\r\n");
        return 0;
    } else {
        say(out, "250 2.0.0 ok\r\n");
    }
    return 1;
}

static void letter_byte(struct client *client, char byte, struct out *out) {
    if (byte == END[client->match]) {
        client->match++;
    } else {
        client->match = byte == '\r';
    }
    if (client->match == 5) {
        char text[64];
        client->in_letter = 0;
        snprintf(text, sizeof text, "250 2.0.0 ok: queued as S%lu\r\n", ++letters);
        say(out, text);
    }
}

static int take(struct client *client, const char *data, ssize_t length) {
    static struct out out;
    int stays = 1;
    out.used = 0;
    for (ssize_t at = 0; at < length && stays; at++) {
        if (client->in_letter) {
            letter_byte(client, data[at], &out);
        } else if (data[at] == '\n') {
            client->line[client->held] = 0;
            client->held = 0;
            stays = command(client, &out);
        } else if (client->held + 1 < sizeof client->line) {
            client->line[client->held++] = data[at];
        }
    }
    bytes += length;
    if (out.used && write(client->fd, out.data, out.used) != (ssize_t)out.used) return 0;
    return stays;
}

static void watch(int poll, int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static void welcome(int poll, int listening) {
    int one = 1;
    struct client *client = calloc(1, sizeof *client);
    client->fd = accept(listening, NULL, NULL);
    if (client->fd < 0) fail("accept");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections++;
    if (write(client->fd, "220 sink\r\n", 10) != 10) fail("write");
    watch(poll, client->fd, client);
}

static int serve(int poll, int listening) {
    static char data[BUFFER];
    static struct client ending;
    struct epoll_event events[EVENTS];
    watch(poll, listening, NULL);
    watch(poll, STDIN_FILENO, &ending);
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS, -1);
        for (int n = 0; n < count; n++) {
            struct client *client = events[n].data.ptr;
            if (client == &ending) return 0;
            if (client == NULL) {
                welcome(poll, listening);
                continue;
            }
            ssize_t length = read(client->fd, data, sizeof data);
            if (length <= 0 || !take(client, data, length)) {
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
    if (listen(listening, 128)) fail("listen");
    getsockname(listening, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    int status = serve(epoll_create1(0), listening);
    printf("%lu %lu %lu\n", letters, bytes, connections);
    return status;
}
