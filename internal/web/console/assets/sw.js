"use strict";
const SHELL = [];
const VERSION = "";
const BASE = "";
