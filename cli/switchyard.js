#!/usr/bin/env node
// In a clone the sources run: a bundle there could be older than they are.
import "./main.ts";
