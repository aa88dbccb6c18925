mock_provider "aws" {
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/paylake-test/network/flow" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/paylake-test-flow-log" }
  }
}

variables {
  name               = "paylake-test"
  place              = { account = "123456789012", partition = "aws", region = "eu-central-1" }
  zones              = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  endpoint_services  = ["sts", "kms"]
  log_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days = 90
}

run "has_no_way_out_unless_asked" {
  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_internet_gateway.this) == 0 && length(aws_subnet.public) == 0
    error_message = "Without a way out there is no gateway and no public subnet."
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 2 && length(output.private_subnet_ids) == 3
    error_message = "There is an endpoint per service, and a subnet per zone."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.talk : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null])
    error_message = "Who may come in is named by a group, never by addresses."
  }
}

run "has_one_way_out_per_zone_where_asked" {
  variables {
    nat_enabled = true
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_route.out) == 3
    error_message = "A zone does not depend on another's way out."
  }
}

run "stands_in_fewer_zones_where_that_is_cheaper" {
  variables {
    endpoint_zones = 1
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : length(endpoint.subnet_ids) == 1])
    error_message = "The endpoints stand in as many zones as were asked for."
  }
}

run "refuses_two_zones" {
  command = plan

  variables {
    zones = ["eu-central-1a", "eu-central-1b"]
  }

  expect_failures = [var.zones]
}

run "refuses_a_network_that_is_too_small" {
  command = plan

  variables {
    cidr = "10.0.0.0/24"
  }

  expect_failures = [var.cidr]
}
