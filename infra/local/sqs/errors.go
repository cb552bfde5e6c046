package sqs

import (
	"fmt"

	"pagefree/infra/local/awsjson"
)

// legacy is what the older query protocol called an error; the SDK shows it as the error's code.
func legacy(name string) string { return "AWS.SimpleQueueService." + name }

func failure(name, query, format string, a ...any) *awsjson.Error {
	return &awsjson.Error{Code: "com.amazonaws.sqs#" + name, Query: query, Message: fmt.Sprintf(format, a...)}
}

func noQueue() error {
	return failure("QueueDoesNotExist", legacy("NonExistentQueue"), "The specified queue does not exist.")
}

func missing(parameter string) error {
	return failure("MissingParameter", "MissingParameter", "The request must contain the parameter %s.", parameter)
}

func invalid(format string, a ...any) *awsjson.Error {
	return failure("InvalidParameterValue", "InvalidParameterValue", format, a...)
}

func invalidAttribute(name string) error {
	return failure("InvalidAttributeValue", "InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

func badHandle(handle string) *awsjson.Error {
	e := failure("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
	e.Status = 404
	return e
}
