/* Uses hiredis, and prints every reply that is an error.
 *
 * usage: hiredis PORT (get | password | pipeline | transaction) */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int errors;

static void show(redisContext *context, redisReply *reply)
{
    if (reply == NULL) {
        fprintf(stderr, "no reply: %s\n", context->errstr);
        exit(2);
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        printf("REDIS_REPLY_ERROR: %s\n", reply->str);
        errors++;
    }
    freeReplyObject(reply);
}

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    const char *manner = arguments[2];
    struct timeval limit = {10, 0};
    redisContext *context = redisConnectWithTimeout("127.0.0.1", atoi(arguments[1]), limit);
    if (context == NULL || context->err)
        return 2;
    redisSetTimeout(context, limit);

    if (strcmp(manner, "get") == 0) {
        show(context, redisCommand(context, "GET %s", "key"));
    } else if (strcmp(manner, "password") == 0) {
        show(context, redisCommand(context, "AUTH %s %s", "u", "p"));
        show(context, redisCommand(context, "SELECT %d", 3));
        show(context, redisCommand(context, "SET %s %s", "key", "value"));
    } else if (strcmp(manner, "pipeline") == 0) {
        for (int i = 0; i < 100; i++)
            redisAppendCommand(context, "GET key:%d", i);
        for (int i = 0; i < 100; i++) {
            void *reply = NULL;
            redisGetReply(context, &reply);
            show(context, reply);
        }
    } else if (strcmp(manner, "transaction") == 0) {
        show(context, redisCommand(context, "MULTI"));
        show(context, redisCommand(context, "SET a 1"));
        show(context, redisCommand(context, "EXEC"));
    }
    redisFree(context);
    return errors > 0 ? 0 : 1;
}
