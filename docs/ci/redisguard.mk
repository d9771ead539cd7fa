# include redisguard.mk
.PHONY: redisguard redisguard-check

redisguard:
	redisguard-gen

redisguard-check:
	redisguard-gen --check
